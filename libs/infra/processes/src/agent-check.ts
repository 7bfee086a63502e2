import { createServer, type Server } from 'node:net';

/** Percent of the usual share of requests, or why there should be none. */
export type Capacity = number | 'drain' | 'down';

const maxConnections = 64;
const idleMaxMs = 5_000;

/**
 * One line of HAProxy's agent protocol. `ready` takes back a `drain`, `up` takes back a `down`: without the word the
 * state before would stay.
 */
export const agentLine = (capacity: Capacity): string =>
  typeof capacity === 'number' ? `ready up ${capacity}%\n` : `${capacity}\n`;

/** Tells whoever connects how much this app can take now, and hangs up. */
export class AgentCheck {
  readonly #server: Server;

  constructor(capacity: () => Capacity) {
    this.#server = createServer((socket) => {
      // A balancer that hangs up first has no more questions.
      socket.on('error', () => socket.destroy());
      socket.setTimeout(idleMaxMs, () => socket.destroy());
      socket.end(agentLine(capacity()));
      socket.resume();
    });
    this.#server.maxConnections = maxConnections;
  }

  open(port: number, host: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ port, host, exclusive: true }, () => resolve());
    });
  }

  close(): void {
    this.#server.close();
  }
}
