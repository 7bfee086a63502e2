import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import type { OpenAPIObject } from '@nestjs/swagger';
import type { FastifyInstance, FastifyReply } from 'fastify';
import { docsSecurityPolicy } from '../edge/security-headers.js';

const open = { config: { open: 'docs' } } as const;
const oneYearS = 31_536_000;
const immutable = `public, max-age=${oneYearS}, immutable`;

/** The only files of the viewer that the page loads; everything is served by this process. */
const assets = {
  'swagger-ui.css': 'text/css; charset=utf-8',
  'swagger-ui-bundle.js': 'text/javascript; charset=utf-8',
  'favicon-32x32.png': 'image/png',
} as const;

const start = `window.ui = SwaggerUIBundle({
  url: '/openapi.json',
  dom_id: '#docs',
  deepLinking: true,
  docExpansion: 'none',
  validatorUrl: null,
  requestSnippetsEnabled: true,
  persistAuthorization: false,
});
`;

/** `/openapi.json` and `/docs`, from memory: nothing is read from disk or from elsewhere while serving. */
export function serveDocs(server: FastifyInstance, document: OpenAPIObject): void {
  const json = JSON.stringify(document);
  const files = new Map<string, readonly [type: string, content: Buffer]>([
    ...viewerFiles(),
    ['start.js', ['text/javascript; charset=utf-8', Buffer.from(start)]],
  ]);
  const version = versionOf(files);
  const page = pageOf(`/docs/${version}`);
  server.get('/openapi.json', open, (_request, reply) => {
    reply.header('cache-control', 'no-cache').type('application/json; charset=utf-8').send(json);
  });
  server.get('/docs', open, (_request, reply) => {
    widened(reply).header('cache-control', 'no-cache').type('text/html; charset=utf-8').send(page);
  });
  for (const [name, [type, content]] of files)
    server.get(`/docs/${version}/${name}`, open, (_request, reply) => {
      widened(reply).header('cache-control', immutable).type(type).send(content);
    });
}

const widened = (reply: FastifyReply): FastifyReply => reply.header('content-security-policy', docsSecurityPolicy);

function viewerFiles(): [string, readonly [string, Buffer]][] {
  const fromSwagger = createRequire(createRequire(import.meta.url).resolve('@nestjs/swagger'));
  const folder = path.dirname(fromSwagger.resolve('swagger-ui-dist/package.json'));
  return Object.entries(assets).map(([name, type]) => [name, [type, readFileSync(path.join(folder, name))]]);
}

/** Part of each file's address, so that a browser may keep it for ever and still see the next release. */
function versionOf(files: ReadonlyMap<string, readonly [string, Buffer]>): string {
  const hash = createHash('sha256');
  for (const [name, [, content]] of files) hash.update(name).update(content);
  return hash.digest('hex').slice(0, 16);
}

const pageOf = (base: string): string => `<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>Praxis API</title>
  <link rel="icon" type="image/png" href="${base}/favicon-32x32.png">
  <link rel="stylesheet" href="${base}/swagger-ui.css">
</head>
<body>
  <div id="docs"></div>
  <noscript>The document itself is at <a href="/openapi.json">/openapi.json</a>.</noscript>
  <script src="${base}/swagger-ui-bundle.js"></script>
  <script src="${base}/start.js"></script>
</body>
</html>
`;
