import 'reflect-metadata';
import { parseConfig } from '#infra/config';
import { runProgram } from '#infra/processes';
import { productVersion } from './edge/version.js';
import { apiSlices } from './settings.js';

await runProgram({
  identity: { app: 'api', version: productVersion() },
  balanced: true,
  readSettings: () => parseConfig(apiSlices),
  // A process that only keeps workers loads nothing of what they do.
  start: async (settings, host) => (await import('./api-process.js')).ApiProcess.start(settings, host),
});
