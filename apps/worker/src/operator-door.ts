import { createServer, type Server } from 'node:http';
import { operatorPages, type Readiness } from '#infra/health';
import type { Metrics } from '#infra/telemetry';

const requestTimeoutMs = 5_000;
const maxConnections = 64;

interface DoorOptions {
  readonly readiness: Readiness;
  readonly metrics: Metrics;
  readonly port: number;
  readonly host: string;
}

/** What operators and balancers may ask a worker: GET /health/live, /health/ready, /health/startup and /metrics. */
export class OperatorDoor {
  readonly #server: Server;

  constructor(private readonly options: DoorOptions) {
    const { readiness, metrics } = options;
    this.#server = createServer({ requestTimeout: requestTimeoutMs }, operatorPages(readiness, metrics));
    this.#server.maxConnections = maxConnections;
  }

  /** Resolves to the port. */
  open(): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(this.options.port, this.options.host, () => {
        const address = this.#server.address();
        resolve(typeof address === 'object' && address !== null ? address.port : this.options.port);
      });
    });
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }
}
