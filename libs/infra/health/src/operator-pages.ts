import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Metrics } from '#infra/telemetry';
import type { Readiness } from './readiness.js';

interface Answer {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
}

/** What operators and balancers may ask a process without routes of its own: GET /health/live, /health/ready, /health/startup and /metrics. */
export const operatorPages =
  (readiness: Readiness, metrics: Metrics) => (request: IncomingMessage, response: ServerResponse) =>
    void answerTo(request, readiness, metrics).then(
      (answer) => write(response, answer),
      () => write(response, json(500, { status: 'down' })),
    );

async function answerTo(
  { method, url = '' }: IncomingMessage,
  readiness: Readiness,
  metrics: Metrics,
): Promise<Answer> {
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
