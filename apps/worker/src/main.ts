import 'reflect-metadata';
import { ConfigError } from '#infra/config';
import { createLog, type Log } from '#infra/telemetry';
import { readSettings, type Settings } from './settings.js';
import { WorkerProcess } from './worker.js';

/** Jobs end within 25 s; whatever else hangs then is cut, before the 45 s after which containers are killed. */
const exitAfterMs = 33_000;
const identity = { app: 'worker', version: '1' };

function settingsOrExit(): Settings {
  try {
    return readSettings();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exit(1);
  }
}

async function drain(worker: WorkerProcess, log: Log): Promise<never> {
  setTimeout(() => process.exit(1), exitAfterMs).unref();
  const drained = await worker.stop();
  await log.flush();
  process.exit(drained ? 0 : 1);
}

const settings = settingsOrExit();
const log = createLog(settings.telemetry, identity);
try {
  const worker = await WorkerProcess.start(settings, identity, log);
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void drain(worker, log));
} catch (error) {
  log.error('worker.not_started', { error });
  await log.flush();
  process.exit(1);
}
