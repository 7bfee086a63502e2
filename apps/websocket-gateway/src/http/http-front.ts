import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { Server as NetServer, type Socket } from 'node:net';
import { AbstractHttpAdapter } from '@nestjs/core';

/** Headers and bodies of plain requests are small and come at once. */
const requestTimeoutMs = 5_000;
/** Beside the connections that are counted: probes, scrapes, and handshakes that are being refused. */
const otherConnectionsMax = 1_000;

type Listener = (request: IncomingMessage, response: ServerResponse) => void;

/** The least that Nest needs of an HTTP platform: a server for sockets, and one listener for everything else. It has no routes. */
export class HttpFront extends AbstractHttpAdapter<Server, IncomingMessage, ServerResponse> {
  readonly #open = new Set<Socket>();
  #listener: Listener = (_, response) => response.writeHead(503).end();

  constructor(private readonly socketsMax: number) {
    super({});
  }

  /** Who answers plain requests. */
  answerWith(listener: Listener): void {
    this.#listener = listener;
  }

  override initHttpServer(): void {
    const timeouts = { requestTimeout: requestTimeoutMs, headersTimeout: requestTimeoutMs };
    this.httpServer = createServer(timeouts, (request, response) => this.#listener(request, response));
    this.httpServer.maxConnections = this.socketsMax + otherConnectionsMax;
    const open = this.#open;
    function forget(this: Socket): void {
      open.delete(this);
    }
    this.httpServer.on('connection', (socket) => {
      open.add(socket);
      socket.on('close', forget);
    });
  }

  override listen(port: string | number, ...rest: readonly unknown[]): Server {
    return this.httpServer.listen(Number(port), ...(rest as [string, () => void]));
  }

  get port(): number {
    const address = this.httpServer.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  /** Nobody new; whoever is connected stays. */
  leave(): void {
    NetServer.prototype.close.call(this.httpServer);
  }

  /** Ends whatever is still open, without a word to the other side. */
  cutAll(): void {
    for (const socket of this.#open) socket.destroy();
  }

  override close(): Promise<void> {
    return new Promise((resolve) => {
      this.httpServer.close(() => resolve());
      this.cutAll();
    });
  }

  override getType(): string {
    return 'http';
  }
  override status(response: ServerResponse, code: number): void {
    response.statusCode = code;
  }
  override reply(response: ServerResponse, body: unknown, code?: number): void {
    response.writeHead(code ?? response.statusCode).end(body === undefined ? undefined : String(body));
  }
  override end(response: ServerResponse, message?: string): void {
    response.end(message);
  }
  override isHeadersSent(response: ServerResponse): boolean {
    return response.headersSent;
  }
  override getHeader(response: ServerResponse, name: string) {
    return response.getHeader(name);
  }
  override setHeader(response: ServerResponse, name: string, value: string): void {
    response.setHeader(name, value);
  }
  override appendHeader(response: ServerResponse, name: string, value: string): void {
    response.appendHeader(name, value);
  }
  override getRequestHostname(request: IncomingMessage) {
    return request.headers.host;
  }
  override getRequestMethod(request: IncomingMessage) {
    return request.method;
  }
  override getRequestUrl(request: IncomingMessage) {
    return request.url;
  }
  /** Nest offers these to whoever has routes. */
  override setErrorHandler(): void {}
  override setNotFoundHandler(): void {}
  override registerParserMiddleware(): void {}
  override enableCors = routeless;
  override useStaticAssets = routeless;
  override setViewEngine = routeless;
  override render = routeless;
  override redirect = routeless;
  override createMiddlewareFactory = routeless;
  override applyVersionFilter = routeless;
}

function routeless(): never {
  throw new Error('the gateway has no routes');
}
