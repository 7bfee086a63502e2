import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Readiness } from '#infra/health';
import type { Metrics } from '#infra/telemetry';

const requestTimeoutMs = 5_000;
const maxConnections = 64;

interface Answer {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
}

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
    this.#server = createServer({ requestTimeout: requestTimeoutMs }, (request, response) => {
      this.#answer(request).then(
        (answer) => write(response, answer),
        () => write(response, json(500, { status: 'down' })),
      );
    });
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

  async #answer({ method, url = '' }: IncomingMessage): Promise<Answer> {
    const { readiness, metrics } = this.options;
    if (method !== 'GET' && method !== 'HEAD') return json(405, {});
    switch (url.split('?', 1)[0]) {
      case '/health/live':
        return json(200, { status: 'up' });
      case '/health/startup':
        return json(readiness.started ? 200 : 503, { status: readiness.started ? 'up' : 'down' });
      case '/health/ready': {
        const report = await readiness.report();
        return json(report.status === 'down' ? 503 : 200, report);
      }
      case '/metrics':
        return metrics.enabled ? { status: 200, ...(await metrics.expose()) } : json(404, {});
      default:
        return json(404, {});
    }
  }
}

const json = (status: number, body: object): Answer => ({
  status,
  contentType: 'application/json; charset=utf-8',
  body: JSON.stringify(body),
});

function write(response: ServerResponse, { status, contentType, body }: Answer): void {
  response.writeHead(status, {
    'content-type': contentType,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  });
  response.end(response.req.method === 'HEAD' ? undefined : body);
}
