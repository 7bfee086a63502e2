import { AsyncLocalStorage } from 'node:async_hooks';
import type { LogFields } from './log-fields.js';

const storage = new AsyncLocalStorage<LogFields>();

/**
 * Runs `fn` so that every log line written during it, however deep, carries `fields` (inner ones win). For ids that tie
 * lines together only: nothing whose absence would make a result wrong may travel this way.
 */
export const runWithLogFields = <T>(fields: LogFields, fn: () => T): T =>
  storage.run({ ...storage.getStore(), ...fields }, fn);

export const currentLogFields = (): LogFields | undefined => storage.getStore();
