import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

const host = '127.0.0.1';

/** An address whose server can be exchanged behind it, as HAProxy or DNS do it for a shard. */
export class TcpForwarder {
  readonly #sockets = new Set<Socket>();
  readonly #servers = new Set<Socket>();

  private constructor(
    private readonly server: Server,
    private target: number,
  ) {}

  static async start(target: number): Promise<TcpForwarder> {
    const server = createServer();
    const forwarder = new TcpForwarder(server, target);
    server.on('connection', (client) => forwarder.#join(client));
    server.listen(0, host);
    await once(server, 'listening');
    return forwarder;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  /** New connections go to that port; those that there are end. */
  leadTo(port: number): void {
    this.target = port;
    for (const socket of this.#sockets) socket.destroy();
  }

  /** What the server answers on the connections that are there is not handed on any more. */
  mute(): void {
    for (const server of this.#servers) server.unpipe();
  }

  async stop(): Promise<void> {
    this.leadTo(0);
    this.server.close();
    await once(this.server, 'close');
  }

  #join(client: Socket): void {
    const server = connect(this.target, host);
    this.#servers.add(server);
    server.on('close', () => this.#servers.delete(server));
    for (const [one, other] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#sockets.add(one);
      one.setNoDelay(true);
      one.on('error', () => other.destroy());
      one.on('close', () => {
        this.#sockets.delete(one);
        other.destroy();
      });
      one.pipe(other);
    }
  }
}
