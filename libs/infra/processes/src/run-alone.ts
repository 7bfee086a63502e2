import type { Log } from '#infra/telemetry';
import { AgentCheck, type Capacity } from './agent-check.js';
import { exitCodes } from './exit-codes.js';
import { leave } from './leaving.js';
import { LoopDelay, weightOf } from './load.js';
import type { Program, ProgramSettings, Service } from './program.js';
import { Recycling, recyclingRules } from './recycling.js';

/** How long what was found of delay and readiness serves the agent-check. */
const lookEveryMs = 1_000;

/** One process, as in a container: its supervisor starts the next one. */
export async function runAlone<Settings extends ProgramSettings>(
  program: Program<Settings>,
  settings: Settings,
  log: Log,
): Promise<void> {
  const { processes: config } = settings;
  let retire = (_reason: string): void => undefined;
  const recycling = new Recycling(recyclingRules(config, log, (reason) => retire(reason)));
  const service = await program.start(settings, { log, countRequest: () => recycling.countRequest() });
  let leaving = false;
  const go = (code: number, reason: string): void => {
    if (leaving) return;
    leaving = true;
    log.info('app.stopping', { reason });
    const waitMs = program.balanced ? config.drainWaitMs : 0;
    void leave({ service, log, code, waitMs, othersServe: false });
  };
  retire = (reason) => go(exitCodes.startAgain, reason);
  for (const signal of ['SIGTERM', 'SIGINT'] as const)
    process.on(signal, () => (leaving ? process.exit(exitCodes.failed) : go(exitCodes.done, signal)));
  process.on('SIGHUP', () => go(exitCodes.startAgain, 'SIGHUP'));
  recycling.start();
  if (program.balanced && config.agentPort > 0) await answerAgent(service, config.agentPort, config.agentHost);
}

async function answerAgent({ readiness }: Service, port: number, host: string): Promise<void> {
  const delay = new LoopDelay();
  let found: Capacity = 'down';
  const look = async () => {
    const { status } = await readiness.report();
    const percent = weightOf(delay.read());
    found = status === 'down' ? 'down' : percent;
  };
  await look();
  setInterval(() => void look(), lookEveryMs).unref();
  await new AgentCheck(() => (readiness.draining ? 'drain' : found)).open(port, host);
}
