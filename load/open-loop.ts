import { type Answer, type Headers, HttpConnection } from './http-client.js';

export interface Heard {
  /** When it was due, on `performance.now()`. */
  readonly sentAtMs: number;
  readonly ms: number;
  /** 0 where the connection broke. */
  readonly status: number;
  readonly code: string;
}

const tickMs = 5;

/**
 * Requests that come at their own rate, whether or not those before them are answered: as people do. Each waits on a
 * connection of its own; one that would need more than `connectionsMax` is counted as `unsent`.
 */
export class OpenLoop {
  readonly heard: Heard[] = [];
  unsent = 0;
  readonly #idle: HttpConnection[] = [];
  readonly #all: HttpConnection[] = [];
  #under = 0;

  constructor(
    private readonly url: string,
    private readonly path: string,
    private readonly headers: Headers,
    private readonly connectionsMax: number,
  ) {}

  /** Opened ahead, so that connecting is not part of what is measured. */
  async open(count: number): Promise<void> {
    const batch = 200;
    for (let from = 0; from < count; from += batch)
      await Promise.all(Array.from({ length: Math.min(batch, count - from) }, () => this.#connect()));
  }

  /** Resolves after the last one was sent; answers may still be on their way. */
  async run(perSecond: number, seconds: number): Promise<void> {
    const startedAt = performance.now();
    let sent = 0;
    while (performance.now() - startedAt < seconds * 1_000) {
      const due = Math.floor(((performance.now() - startedAt) / 1_000) * perSecond);
      for (; sent < due; sent += 1) void this.send(startedAt + (sent / perSecond) * 1_000);
      await new Promise((resolve) => setTimeout(resolve, tickMs));
    }
  }

  async send(dueAtMs = performance.now()): Promise<void> {
    const connection =
      this.#idle.pop() ?? (this.#all.length < this.connectionsMax ? await this.#connect(false) : undefined);
    if (connection === undefined) {
      this.unsent += 1;
      return;
    }
    this.#under += 1;
    const answer = await connection.request('GET', this.path, this.headers).catch(() => undefined);
    this.#under -= 1;
    this.heard.push({
      sentAtMs: dueAtMs,
      ms: performance.now() - dueAtMs,
      status: answer?.status ?? 0,
      code: answer === undefined ? 'broken' : codeOf(answer),
    });
    this.#idle.push(connection);
  }

  /** Waits until every answer is there, and closes. */
  async end(patienceMs: number): Promise<void> {
    const until = performance.now() + patienceMs;
    while (this.#under > 0 && performance.now() < until) await new Promise((resolve) => setTimeout(resolve, 50));
    for (const connection of this.#all) connection.close();
  }

  async #connect(keep = true): Promise<HttpConnection> {
    const connection = new HttpConnection(this.url);
    this.#all.push(connection);
    await connection.open();
    if (keep) this.#idle.push(connection);
    return connection;
  }
}

const codeOf = ({ status, body }: Answer): string => (status < 400 ? '' : (/"code":"([^"]+)"/.exec(body)?.[1] ?? ''));
