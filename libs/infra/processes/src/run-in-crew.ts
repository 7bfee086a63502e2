import type { Log } from '#infra/telemetry';
import { exitCodes } from './exit-codes.js';
import { leave } from './leaving.js';
import { LoopDelay } from './load.js';
import { PrimaryLink } from './primary-link.js';
import type { Program, ProgramSettings, Service } from './program.js';
import { Recycling, recyclingRules } from './recycling.js';

const beatEveryMs = 1_000;

/** A worker of a crew: it serves, says that it lives, and leaves when the primary says so. */
export async function runInCrew<Settings extends ProgramSettings>(
  program: Program<Settings>,
  settings: Settings,
  log: Log,
): Promise<void> {
  const { processes: config } = settings;
  // A terminal that goes tells the whole group; what becomes of it the primary decides.
  process.on('SIGHUP', () => undefined);
  const link = new PrimaryLink();
  const recycling = new Recycling(recyclingRules(config, log, (reason) => link.say({ praxis: 'retire', reason })));
  const service = await program.start(settings, { log, countRequest: () => recycling.countRequest() });
  service.metrics.gatherFrom(() => link.gather());
  link.onSnapshot(() => service.metrics.snapshot());
  link.onDrain((othersServe) => {
    recycling.stop();
    const waitMs = program.balanced ? config.drainWaitMs : 0;
    const last = async () => link.farewell(await service.metrics.snapshot());
    void leave({ service, log, code: exitCodes.done, waitMs, othersServe, last });
  });
  askOnSignal(link);
  beat(link, service, program.balanced && config.agentPort > 0);
  recycling.start();
  link.say({ praxis: 'ready', port: service.port });
}

/** The primary knows whether the whole crew goes or this worker is to be replaced first. A second signal ends at once. */
function askOnSignal(link: PrimaryLink): void {
  let asked = false;
  for (const signal of ['SIGTERM', 'SIGINT'] as const)
    process.on(signal, () => {
      if (asked) process.exit(exitCodes.failed);
      asked = true;
      link.say({ praxis: 'retire', reason: 'signal' });
    });
}

/** Readiness is asked for where somebody wants to know it: its checks go to the databases. */
function beat(link: PrimaryLink, { readiness }: Service, asksReadiness: boolean): void {
  const delay = new LoopDelay();
  let serving = true;
  const look = async () => {
    serving = (await readiness.report()).status !== 'down';
  };
  setInterval(() => {
    if (asksReadiness) void look();
    link.say({ praxis: 'beat', load: { delayMs: delay.read(), serving } });
  }, beatEveryMs);
}
