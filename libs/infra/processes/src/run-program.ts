import cluster from 'node:cluster';
import { ConfigError } from '#infra/config';
import { createLog, type Log } from '#infra/telemetry';
import { crewSize, thisMachine } from './crew-size.js';
import { exitCodes } from './exit-codes.js';
import { Primary } from './primary.js';
import type { Program, ProgramSettings } from './program.js';
import { runAlone } from './run-alone.js';
import { runInCrew } from './run-in-crew.js';

/**
 * The whole life of a process of the product: settings, then one process alone or a crew of workers behind one port,
 * signals, drain, exit code. Resolves when the app runs.
 */
export async function runProgram<Settings extends ProgramSettings>(program: Program<Settings>): Promise<void> {
  const settings = settingsOf(program);
  if (settings === undefined) return;
  const log = logOf(program, settings);
  process.once('uncaughtException', (error) => void die(log, error));
  try {
    if (cluster.isWorker) await runInCrew(program, settings, log);
    else if (settings.processes.concurrency === 1) await runAlone(program, settings, log);
    else await runPrimary(program, settings, log);
  } catch (error) {
    await die(log, error);
  }
}

/** All mistakes at once on stderr, in words for whoever set the environment; a crew never starts with them. */
function settingsOf<Settings extends ProgramSettings>(program: Program<Settings>): Settings | undefined {
  try {
    return program.readSettings();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exitCode = exitCodes.failed;
    return undefined;
  }
}

function logOf<Settings extends ProgramSettings>({ identity }: Program<Settings>, { telemetry }: Settings): Log {
  const log = createLog(telemetry, identity);
  return cluster.worker === undefined ? log : log.child({ worker: cluster.worker.id });
}

async function runPrimary<Settings extends ProgramSettings>(
  { identity, balanced }: Program<Settings>,
  { processes: config, telemetry }: Settings,
  log: Log,
): Promise<void> {
  const size = crewSize(config.concurrency, thisMachine());
  const primary = new Primary({ config, telemetry, identity, log, size, agent: balanced });
  process.once('exit', () => primary.killAll());
  let stopping = false;
  for (const signal of ['SIGTERM', 'SIGINT'] as const)
    process.on(signal, () => {
      if (stopping) process.exit(exitCodes.failed);
      stopping = true;
      log.info('app.stopping', { signal });
      void primary.stop();
    });
  process.on('SIGHUP', () => void primary.roll());
  const code = await primary.run();
  await log.flush();
  process.exit(code);
}

/** What nobody caught leaves the process in a state that nobody knows: it says why and ends. */
async function die(log: Log, error: unknown): Promise<void> {
  log.error('app.failed', { error });
  await log.flush();
  process.exit(exitCodes.failed);
}
