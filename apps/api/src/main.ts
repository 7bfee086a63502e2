import 'reflect-metadata';
import { ConfigError, parseConfig } from '#infra/config';
import { Readiness } from '#infra/health';
import { createLog, type Log } from '#infra/telemetry';
import { createApp } from './app.js';
import { drain } from './edge/drain.js';
import { productVersion } from './edge/version.js';
import { apiSlices, type Settings } from './settings.js';

const failed = 1;

await start();

async function start(): Promise<void> {
  const settings = readSettings();
  if (settings === undefined) return;
  const log = createLog(settings.telemetry, { app: 'api', version: productVersion() });
  process.once('uncaughtException', (error) => void die(log, error));
  try {
    const app = await createApp(settings, { log });
    stopOnSignal(app, settings, log);
    await app.listen(settings.api.port, settings.api.host);
    app.get(Readiness).markStarted();
    const { port } = app.getHttpServer().address() as { readonly port: number };
    log.info('app.listening', { host: settings.api.host, port });
  } catch (error) {
    await die(log, error);
  }
}

/** All mistakes at once on stderr, in words for whoever set the environment. */
function readSettings(): Settings | undefined {
  try {
    return parseConfig(apiSlices);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exitCode = failed;
    return undefined;
  }
}

/** The first signal drains; a second one ends at once. */
function stopOnSignal(app: Awaited<ReturnType<typeof createApp>>, settings: Settings, log: Log): void {
  let stopping = false;
  const stop = async (signal: NodeJS.Signals): Promise<void> => {
    if (stopping) process.exit(failed);
    stopping = true;
    log.info('app.stopping', { signal });
    const announce = () => app.get(Readiness).startDraining();
    const ended = await drain(app, { log, announce, waitMs: settings.api.drainWaitMs }).catch((error: unknown) => {
      log.error('drain.failed', { error });
      return false;
    });
    await log.flush();
    process.exit(ended ? 0 : failed);
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, (received) => void stop(received));
}

/** What nobody caught leaves the process in a state that nobody knows: it says why and ends. */
async function die(log: Log, error: unknown): Promise<void> {
  log.error('app.failed', { error });
  await log.flush();
  process.exit(failed);
}
