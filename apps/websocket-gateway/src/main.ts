import 'reflect-metadata';
import { ConfigError } from '#infra/config';
import { createLog, type Log } from '#infra/telemetry';
import { GatewayProcess } from './gateway.js';
import { readSettings, type Settings } from './settings.js';

/** Connections are let go within 20 s; whatever hangs then is cut, before the 45 s after which containers are killed. */
const exitAfterMs = 33_000;
const identity = { app: 'websocket-gateway', version: '1' };

function settingsOrExit(): Settings {
  try {
    return readSettings();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exit(1);
  }
}

async function drain(gateway: GatewayProcess, log: Log): Promise<never> {
  setTimeout(() => process.exit(1), exitAfterMs).unref();
  const drained = await gateway.stop();
  await log.flush();
  process.exit(drained ? 0 : 1);
}

const settings = settingsOrExit();
const log = createLog(settings.telemetry, identity);
try {
  const gateway = await GatewayProcess.start(settings, identity, log);
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void drain(gateway, log));
} catch (error) {
  log.error('gateway.not_started', { error });
  await log.flush();
  process.exit(1);
}
