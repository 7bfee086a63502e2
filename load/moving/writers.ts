import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { appointmentsPath } from '../api-client.js';
import { bookingBody, type Clinic, midnightIn } from '../clinic.js';
import { type Answer, type Headers, HttpConnection } from '../http-client.js';
import type { Run } from '../stack.js';

const answerWithinMs = 120_000;
/** A client begins a booking at most this often, so that two cores have something left for the rest. */
const everyMs = 100;
const pauseMs = 10;

/** One booking, from its first attempt to its answer. */
interface Written {
  readonly id: string;
  readonly startedAt: number;
  readonly endedAt: number;
}

/** Clients that book through the apis, each one after the other, under a key that is repeated until it is answered. */
export class Writers {
  readonly written: Written[] = [];
  /** Answers that were neither 201 nor a request to come again, as `status code`. */
  readonly others: string[] = [];
  /** Answers that ask to come again, by `status code`. */
  readonly asked = new Map<string, number>();
  unanswered = 0;
  readonly #stopping = new AbortController();
  readonly #running: Promise<void>[];
  #next = 0;

  constructor(
    private readonly own: Run,
    private readonly authorization: Headers,
    private readonly clinic: Clinic,
    count: number,
  ) {
    this.#running = Array.from({ length: count }, (_, n) => this.#write(n));
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await Promise.all(this.#running);
  }

  /** The longest time that a booking took of those that were under way after `since`, in milliseconds. */
  longestSince(since: number): number {
    return this.written.reduce(
      (most, { startedAt, endedAt }) => (endedAt < since ? most : Math.max(most, endedAt - startedAt)),
      0,
    );
  }

  async #write(n: number): Promise<void> {
    const { apis } = this.own.stack;
    const connections = apis.map((_, k) => new HttpConnection(apis[(n + k) % apis.length]?.url ?? ''));
    while (!this.#stopping.signal.aborted) {
      const startedAt = performance.now();
      const answer = await this.#untilAnswered(connections);
      if (answer === undefined) this.unanswered += 1;
      else if (answer.status === 201) {
        const { id } = JSON.parse(answer.body) as { id: string };
        this.written.push({ id, startedAt, endedAt: performance.now() });
      } else this.others.push(told(answer));
      await sleep(Math.max(0, everyMs - (performance.now() - startedAt)));
    }
    for (const connection of connections) connection.close();
  }

  /** A start of its own. */
  #body(): string {
    this.#next += 1;
    return bookingBody(this.clinic, midnightIn(1) + this.clinic.stepMin * this.#next);
  }

  async #untilAnswered(connections: readonly HttpConnection[]): Promise<Answer | undefined> {
    const headers = { ...this.authorization, 'idempotency-key': randomUUID() };
    const body = this.#body();
    const endsAt = performance.now() + answerWithinMs;
    for (let attempt = 0; performance.now() < endsAt; attempt += 1) {
      if (attempt > 0) await sleep(pauseMs);
      const connection = connections[attempt % connections.length] as HttpConnection;
      const answer = await connection.request('POST', appointmentsPath, headers, body).catch(() => undefined);
      if (answer !== undefined && !asksToComeAgain(answer)) return answer;
      const why = answer === undefined ? 'connection lost' : told(answer);
      this.asked.set(why, (this.asked.get(why) ?? 0) + 1);
    }
    return undefined;
  }
}

const codeOf = ({ body }: Answer): string => /"code":"([^"]+)"/.exec(body)?.[1] ?? '';
const told = (answer: Answer): string => `${answer.status} ${codeOf(answer)}`;
const asksToComeAgain = (answer: Answer): boolean =>
  answer.status === 503 || (answer.status === 409 && codeOf(answer) === 'idempotency.in_progress');
