import type { Server } from 'node:http';
import { Server as NetServer } from 'node:net';

const sweepEveryMs = 100;

/** The end of an HTTP server in two steps: first nobody new, then, when it is time, nobody at all. */
export class HttpDoor {
  #left: Promise<void> | undefined;

  constructor(private readonly server: Server) {}

  /**
   * No new connections: in a cluster they go to the other workers. Node's own `close` of an HTTP server would also end
   * those that wait for their next request, which may be on its way. Resolves when the last connection is gone.
   */
  leave(): Promise<void> {
    const { server } = this;
    this.#left ??= new Promise((resolve, reject) => {
      if (!server.listening) return resolve();
      NetServer.prototype.close.call(server, (error) => (error ? reject(error) : resolve()));
    });
    return this.#left;
  }

  /** As `leave`, and each connection ends as soon as no request is on it. */
  async empty(): Promise<void> {
    const left = this.leave();
    this.server.closeIdleConnections();
    const sweep = setInterval(() => this.server.closeIdleConnections(), sweepEveryMs);
    try {
      await left;
    } finally {
      clearInterval(sweep);
    }
  }

  cut(): void {
    this.server.closeAllConnections();
  }
}
