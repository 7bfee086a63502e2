import type { FastifyInstance } from 'fastify';
import type { Metrics } from '#infra/telemetry';

/** `/metrics` for Prometheus; where monitoring is off there is nothing to serve and the route does not exist. */
export function serveMetrics(server: FastifyInstance, metrics: Metrics): void {
  if (!metrics.enabled) return;
  server.get('/metrics', { config: { open: 'metrics' } }, async (_request, reply) => {
    const { contentType, body } = await metrics.expose();
    return reply.type(contentType).send(body);
  });
}
