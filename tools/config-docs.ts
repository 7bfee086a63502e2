import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { configMarkdown, envExample } from '#infra/config';
import { projectRoot } from '#infra/testing';
import { apiSlices } from '../apps/api/src/settings.js';
import { cdnConfig, clientConfig, operatorConfig } from '../apps/cli/src/cli.config.js';
import { gatewaySlices } from '../apps/websocket-gateway/src/settings.js';
import { workerSlices } from '../apps/worker/src/settings.js';

/** Every slice that some app composes, once, in the order in which the apps name them. */
const slices = [
  ...new Set([
    ...Object.values(apiSlices),
    ...Object.values(gatewaySlices),
    ...Object.values(workerSlices),
    operatorConfig,
    clientConfig,
    cdnConfig,
  ]),
];

/** The generated documents by path from the root of the project. */
export const configDocuments: Readonly<Record<string, string>> = {
  '.env.example': envExample(slices),
  'docs/CONFIG.md': configMarkdown(slices),
};

/** Paths whose text is not what the slices say now. */
export const staleDocuments = (): readonly string[] =>
  Object.entries(configDocuments).flatMap(([path, text]) => (read(path) === text ? [] : [path]));

function read(path: string): string | undefined {
  try {
    return readFileSync(join(projectRoot(), path), 'utf8');
  } catch {
    return undefined;
  }
}

/** `npm run docs:config` */
export function writeConfigDocuments(): void {
  for (const [path, text] of Object.entries(configDocuments)) writeFileSync(join(projectRoot(), path), text);
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) writeConfigDocuments();
