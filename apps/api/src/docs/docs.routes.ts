import type { OpenAPIObject } from '@nestjs/swagger';
import type { FastifyInstance } from 'fastify';
import { pageHeaders } from '../edge/security-headers.js';
import { Asset } from '../static/asset.js';
import { sendAsset } from '../static/static.routes.js';
import type { StaticFiles } from '../static/static-files.js';
import { viewer } from './viewer-files.js';

const route = { config: { open: 'docs' }, compress: false } as const;
/** Kept, and asked for each time: they change with the next release. */
const revalidated = 'no-cache';

/** `/openapi.json` and `/docs`, from memory; the page loads what it needs from the static files. */
export function serveDocs(server: FastifyInstance, document: OpenAPIObject, files: StaticFiles): void {
  const json = new Asset('openapi.json', Buffer.from(JSON.stringify(document)));
  const page = new Asset('docs.html', Buffer.from(pageOf(files)));
  const headers = pageHeaders(files.origin);
  server.get('/openapi.json', route, (request, reply) => {
    reply.header('cache-control', revalidated);
    return sendAsset(request, reply, json, files.config.compression);
  });
  server.get('/docs', route, (request, reply) => {
    reply.headers(headers).header('cache-control', revalidated);
    return sendAsset(request, reply, page, files.config.compression);
  });
}

function pageOf(files: StaticFiles): string {
  const script = (name: string) =>
    `<script src="${files.addressOf(name)}" integrity="${files.integrityOf(name)}" crossorigin="anonymous"></script>`;
  return `<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>Praxis API</title>
  <link rel="icon" type="image/png" href="${files.addressOf(viewer.icon)}">
  <link rel="stylesheet" href="${files.addressOf(viewer.style)}" integrity="${files.integrityOf(viewer.style)}" crossorigin="anonymous">
</head>
<body>
  <div id="docs"></div>
  <noscript>The document itself is at <a href="/openapi.json">/openapi.json</a>.</noscript>
  ${script(viewer.script)}
  ${script(viewer.start)}
</body>
</html>
`;
}
