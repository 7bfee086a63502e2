import { connect, type Socket } from 'node:net';

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export type Headers = Readonly<Record<string, string>>;

interface Waiting {
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: Error) => void;
}

/** The server's own deadline for an answer is 30 s. */
const silenceTimeoutMs = 35_000;

/**
 * One keep-alive HTTP/1.1 connection, one request at a time, bodies by Content-Length only: it costs the load generator
 * about a tenth of what fetch does, so that a machine of two cores measures the server.
 */
export class HttpConnection {
  #socket: Socket | undefined;
  #received: Buffer = Buffer.alloc(0);
  #waiting: Waiting | undefined;
  readonly #host: string;
  readonly #port: number;

  constructor(readonly url: string) {
    const { hostname, port } = new URL(url);
    this.#host = hostname;
    this.#port = Number(port);
  }

  /** Resolves when the server has accepted; without it the first request connects. */
  open(): Promise<void> {
    const socket = this.#open();
    if (!socket.connecting) return Promise.resolve();
    return new Promise((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('close', () => reject(new Error(`no connection to ${this.url}`)));
    });
  }

  /**
   * A body is JSON unless `headers` say otherwise. Rejects when the connection breaks before the whole answer is there;
   * the next request connects again.
   */
  request(method: string, path: string, headers: Headers, body = ''): Promise<Answer> {
    if (this.#waiting) throw new Error('one request at a time on a connection');
    const socket = this.#open();
    const sent = body === '' ? headers : { 'content-type': 'application/json', ...headers };
    const lines = Object.entries(sent).map(([name, value]) => `${name}: ${value}\r\n`);
    const length = body === '' ? '' : `content-length: ${Buffer.byteLength(body)}\r\n`;
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      socket.write(`${method} ${path} HTTP/1.1\r\nhost: ${this.#host}\r\n${length}${lines.join('')}\r\n${body}`);
    });
  }

  close(): void {
    this.#socket?.destroy();
    this.#socket = undefined;
  }

  #open(): Socket {
    if (this.#socket && !this.#socket.destroyed) return this.#socket;
    const socket = connect(this.#port, this.#host).setNoDelay(true).setTimeout(silenceTimeoutMs);
    socket.on('data', (chunk) => this.#hear(socket, chunk));
    socket.on('timeout', () => socket.destroy());
    socket.on('end', () => socket.destroy());
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#broken(socket));
    this.#received = Buffer.alloc(0);
    this.#socket = socket;
    return socket;
  }

  #broken(socket: Socket): void {
    if (this.#socket !== socket) return;
    this.#socket = undefined;
    this.#take()?.reject(new Error('the connection broke'));
  }

  #hear(socket: Socket, chunk: Buffer): void {
    if (this.#socket !== socket) return;
    this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk]);
    const answer = readAnswer(this.#received);
    if (answer === undefined) return;
    this.#received = Buffer.alloc(0);
    if (answer.headers.connection === 'close') this.close();
    this.#take()?.resolve(answer);
  }

  #take(): Waiting | undefined {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    return waiting;
  }
}

/** Undefined while a part is still on its way. */
export function readAnswer(received: Buffer): Answer | undefined {
  const end = received.indexOf('\r\n\r\n');
  if (end < 0) return undefined;
  const [statusLine = '', ...lines] = received.toString('latin1', 0, end).split('\r\n');
  const headers = Object.fromEntries(lines.map(headerOf));
  const bodyAt = end + 4;
  const bodyEnd = bodyAt + Number(headers['content-length'] ?? 0);
  if (received.length < bodyEnd) return undefined;
  return { status: Number(statusLine.split(' ')[1]), headers, body: received.toString('utf8', bodyAt, bodyEnd) };
}

function headerOf(line: string): [string, string] {
  const colon = line.indexOf(':');
  return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
}
