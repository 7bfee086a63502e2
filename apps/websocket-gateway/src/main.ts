import 'reflect-metadata';
import { runProgram } from '#infra/processes';
import { readSettings } from './settings.js';

const identity = { app: 'websocket-gateway', version: '1' };

await runProgram({
  identity,
  balanced: true,
  readSettings,
  // A process that only keeps workers loads nothing of what they do.
  start: async (settings, { log }) => (await import('./gateway.js')).GatewayProcess.start(settings, identity, log),
});
