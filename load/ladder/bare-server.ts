import Fastify from 'fastify';

/**
 * `node bare-server.js '[{"type":…,"body":…}, …]'`: Fastify with nothing of ours, answering each text under /0, /1 …; it
 * prints its port. What every rung is measured against.
 */
interface Text {
  readonly type: string;
  readonly body: string;
}

const server = Fastify({ logger: false });
for (const [n, { type, body }] of (JSON.parse(process.argv[2] ?? '[]') as readonly Text[]).entries())
  server.get(`/${n}`, (_request, reply) => reply.type(type).send(body));
await server.listen({ port: 0, host: '127.0.0.1' });
console.log((server.server.address() as { readonly port: number }).port);
process.once('SIGTERM', () => void server.close());
