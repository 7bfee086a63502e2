import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { names } from '../edge/http-cache.js';
import type { Asset } from './asset.js';
import { encodingFor } from './encoding.js';
import { type StaticFiles, staticFolder } from './static-files.js';

/** Pages of other origins load these through a CDN, and check them by their hash: they must be allowed to read them. */
const forEveryPage = {
  'access-control-allow-origin': '*',
  'cross-origin-resource-policy': 'cross-origin',
} as const;

/** `/static/<name>`, from the table of files alone; whatever else is asked for is 404. */
export function serveStatic(server: FastifyInstance, files: StaticFiles): void {
  const route = { config: { open: 'static' }, compress: false } as const;
  server.get<{ Params: { readonly name: string } }>(`${staticFolder}/:name`, route, (request, reply) => {
    const asset = files.find(request.params.name);
    if (!asset) {
      reply.callNotFound();
      return reply;
    }
    reply.headers(forEveryPage).header('cache-control', files.cacheControlOf(asset));
    return sendAsset(request, reply, asset, files.config.compression);
  });
}

/** With its ETag, in the best encoding that the client takes. The route itself must not compress. */
export async function sendAsset(
  request: FastifyRequest,
  reply: FastifyReply,
  asset: Asset,
  mayPack: boolean,
): Promise<FastifyReply> {
  const packs = mayPack && asset.varies;
  reply.header('etag', asset.tag);
  if (packs) addVary(reply, 'Accept-Encoding');
  const seen = request.headers['if-none-match'];
  if (seen !== undefined && names(seen, asset.tag)) return reply.code(304).send();
  reply.type(asset.type);
  const encoding = packs ? encodingFor(request.headers['accept-encoding']) : 'identity';
  if (encoding === 'identity') return reply.send(asset.content);
  return reply.header('content-encoding', encoding).send(await asset.packed(encoding));
}

function addVary(reply: FastifyReply, name: string): void {
  const varies = reply.getHeader('vary');
  reply.header('vary', varies === undefined ? name : `${varies}, ${name}`);
}
