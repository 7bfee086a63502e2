import 'reflect-metadata';
import { runProgram } from '#infra/processes';
import { readSettings } from './settings.js';

const identity = { app: 'worker', version: '1' };

await runProgram({
  identity,
  balanced: false,
  readSettings,
  // A process that only keeps workers loads nothing of what they do.
  start: async (settings, { log }) => (await import('./worker.js')).WorkerProcess.start(settings, identity, log),
});
