import { connect, type Socket } from 'node:net';

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

interface Waiting {
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: Error) => void;
}

/**
 * One keep-alive HTTP/1.1 connection, one request at a time, bodies by Content-Length only: it costs the load generator
 * about a tenth of what fetch does, so that a machine of two cores measures the server.
 */
export class HttpConnection {
  #socket: Socket | undefined;
  #received = Buffer.alloc(0);
  #waiting: Waiting | undefined;
  readonly #host: string;
  readonly #port: number;

  constructor(url: string) {
    const { hostname, port } = new URL(url);
    this.#host = hostname;
    this.#port = Number(port);
  }

  /** Rejects when the connection breaks before the whole answer is there; the next request connects again. */
  request(method: string, path: string, headers: Readonly<Record<string, string>>, body = ''): Promise<Answer> {
    const socket = this.#open();
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    const type = body === '' ? '' : `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n`;
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      socket.write(`${method} ${path} HTTP/1.1\r\nhost: ${this.#host}\r\n${type}${lines.join('')}\r\n${body}`);
    });
  }

  close(): void {
    this.#socket?.destroy();
    this.#socket = undefined;
  }

  #open(): Socket {
    if (this.#socket) return this.#socket;
    const socket = connect(this.#port, this.#host).setNoDelay(true);
    socket.on('data', (chunk) => this.#hear(chunk));
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#broken(socket));
    this.#received = Buffer.alloc(0);
    this.#socket = socket;
    return socket;
  }

  #broken(socket: Socket): void {
    if (this.#socket === socket) this.#socket = undefined;
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.reject(new Error('the connection broke'));
  }

  #hear(chunk: Buffer): void {
    this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk]);
    const end = this.#received.indexOf('\r\n\r\n');
    if (end < 0) return;
    const [statusLine = '', ...lines] = this.#received.toString('latin1', 0, end).split('\r\n');
    const headers = Object.fromEntries(lines.map(headerOf));
    const length = Number(headers['content-length'] ?? 0);
    if (this.#received.length < end + 4 + length) return;
    const body = this.#received.toString('utf8', end + 4, end + 4 + length);
    this.#received = this.#received.subarray(end + 4 + length);
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.resolve({ status: Number(statusLine.split(' ')[1]), headers, body });
  }
}

function headerOf(line: string): [string, string] {
  const colon = line.indexOf(':');
  return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
}
