import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Socket, type Server as TcpServer } from 'node:net';
import type { Duplex } from 'node:stream';

export interface Arrival {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  /** Which of the server's connections it came on, from 1. */
  readonly connection: number;
}

const websocketKey = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/** An instance behind the edge that remembers what reached it, and behaves as it is told. */
export class EdgeBackend {
  readonly arrivals: Arrival[] = [];
  ready = true;
  /** Answers wait this long. */
  delayMs = 0;
  /** The next so many requests lose their connection after they were read. */
  cuts = 0;
  /** Every request is answered 500. */
  failing = false;
  /** What its agent says to a balancer. */
  agentSays = 'ready 100%';
  readonly #connections = new WeakMap<Duplex, number>();
  #connectionCount = 0;

  private constructor(
    readonly name: string,
    private readonly server: Server,
    private readonly agent: TcpServer,
  ) {
    server.keepAliveTimeout = 65_000;
    server.on('connection', (socket: Socket) => {
      this.#connectionCount += 1;
      this.#connections.set(socket, this.#connectionCount);
    });
    server.on('request', (request, response) => this.#serve(request, response));
    server.on('upgrade', (request, socket) => this.#upgrade(request, socket));
    agent.on('connection', (socket) => {
      socket.on('error', () => socket.destroy());
      socket.end(`${this.agentSays}\n`);
    });
  }

  static async start(name: string): Promise<EdgeBackend> {
    const backend = new EdgeBackend(name, createServer(), createTcpServer());
    for (const server of [backend.server, backend.agent])
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return backend;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  get agentPort(): number {
    return (this.agent.address() as AddressInfo).port;
  }

  /** Everything but health checks, since the last `reset()`. */
  get requests(): readonly Arrival[] {
    return this.arrivals.filter(({ path }) => !path.startsWith('/health/'));
  }

  /** Well again, and without memory. */
  reset(): void {
    this.arrivals.length = 0;
    Object.assign(this, { ready: true, failing: false, delayMs: 0, cuts: 0 });
  }

  async stop(): Promise<void> {
    const closed = [this.server, this.agent].map((server) => new Promise((resolve) => server.close(resolve)));
    this.server.closeAllConnections();
    await Promise.all(closed);
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    this.#remember(request);
    const path = request.url ?? '/';
    if (path.startsWith('/health/')) {
      response.statusCode = this.ready ? 200 : 503;
      response.end();
      return;
    }
    request.resume();
    request.once('end', () => setTimeout(() => this.#answer(request, response), this.delayMs));
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    if (this.cuts > 0) {
      this.cuts -= 1;
      request.socket.destroy();
      return;
    }
    response.statusCode = this.failing ? 500 : 200;
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ name: this.name }));
  }

  /** Echoes whatever comes after the handshake, without frames: the edge only carries bytes. */
  #upgrade(request: IncomingMessage, socket: Duplex): void {
    this.#remember(request);
    const accept = createHash('sha1').update(`${request.headers['sec-websocket-key']}${websocketKey}`).digest('base64');
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: ${accept}\r\n\r\n`,
    );
    socket.on('error', () => socket.destroy());
    socket.pipe(socket);
  }

  #remember({ method = '', url = '', headers, socket }: IncomingMessage): void {
    this.arrivals.push({ method, path: url, headers, connection: this.#connections.get(socket) ?? 0 });
  }
}
