import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { MessageReader, readStartup, type Statement, StatementReader } from './wire.js';

export interface Recorded extends Statement {
  /** Statements with the same number left the client before it had the answer to any of them. */
  readonly flight: number;
}

/** Stands between an app and its PostgreSQL server and writes down what is asked; it changes nothing. */
export class StatementTap {
  readonly #connections: Recording[] = [];
  readonly #sockets = new Set<Socket>();

  private constructor(
    private readonly server: Server,
    private readonly target: { readonly host: string; readonly port: number },
  ) {
    server.on('connection', (client) => this.#carry(client));
  }

  static async open(target: { readonly host: string; readonly port: number }): Promise<StatementTap> {
    const server = createServer({ noDelay: true });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new StatementTap(server, target);
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  get connections(): readonly Pick<Recording, 'startup' | 'statements'>[] {
    return this.#connections;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }

  #carry(client: Socket): void {
    const server = connect({ ...this.target, noDelay: true });
    const recording = new Recording();
    this.#connections.push(recording);
    this.#join(client, server, (chunk) => recording.asked(chunk));
    this.#join(server, client, (chunk) => recording.answered(chunk));
  }

  #join(from: Socket, to: Socket, hear: (chunk: Buffer) => void): void {
    this.#sockets.add(from);
    from.on('data', (chunk) => {
      hear(chunk);
      to.write(chunk);
    });
    from.on('error', () => to.destroy());
    from.on('close', () => {
      this.#sockets.delete(from);
      to.destroy();
    });
  }
}

/** One connection's statements, numbered by flight: a new one begins when nothing is unanswered. */
export class Recording {
  readonly statements: Recorded[] = [];
  /** Settings that the client opened the connection with. */
  startup: ReadonlyMap<string, string> = new Map();
  readonly #asked = new MessageReader(true);
  readonly #answered = new MessageReader(false);
  readonly #reader = new StatementReader();
  #unanswered = 0;
  #flight = 0;

  asked(chunk: Buffer): void {
    for (const message of this.#asked.read(chunk)) {
      if (message.type === '') this.startup = readStartup(message);
      const statement = this.#reader.read(message);
      if (statement) {
        if (this.#unanswered === 0) this.#flight += 1;
        this.statements.push({ ...statement, flight: this.#flight });
      }
      if (message.type === 'S' || message.type === 'Q') this.#unanswered += 1;
    }
  }

  answered(chunk: Buffer): void {
    for (const { type } of this.#answered.read(chunk))
      if (type === 'Z') this.#unanswered = Math.max(0, this.#unanswered - 1);
  }
}
