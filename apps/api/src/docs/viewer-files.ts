import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import type { SourceFile } from '../static/static-files.js';

/** The only files of the viewer that the page loads. */
export const viewer = {
  style: 'swagger-ui.css',
  script: 'swagger-ui-bundle.js',
  icon: 'favicon-32x32.png',
  start: 'start.js',
} as const;
/** The script says that its licences stand beside it, under this name. */
const licences = 'swagger-ui-bundle.js.LICENSE.txt';

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

/** Read once, when the process begins; nothing comes from elsewhere. */
export function viewerFiles(): readonly SourceFile[] {
  const fromSwagger = createRequire(createRequire(import.meta.url).resolve('@nestjs/swagger'));
  const folder = path.dirname(fromSwagger.resolve('swagger-ui-dist/package.json'));
  const read = (name: string) => ({ name, content: readFileSync(path.join(folder, name)) });
  return [
    read(viewer.style),
    read(viewer.script),
    read(viewer.icon),
    { name: viewer.start, content: Buffer.from(start) },
    { ...read(licences), fixedName: true },
  ];
}
