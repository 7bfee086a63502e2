import { writeFileSync } from 'node:fs';
import { LocalStack, StackError } from '#infra/testing';
import { banner } from './stack/banner.js';
import { type Ending, listenForEnd } from './stack/ending.js';
import { environmentFile, stackDataFolder } from './stack/home.js';
import { HeldBackLogs, readableText } from './stack/log-lines.js';
import { readSeedReport, type SeedReport } from './stack/seed-report.js';
import { reloadOnEdit } from './stack/watch.js';

interface ReadyStack {
  readonly stack: LocalStack;
  readonly seed: SeedReport;
}

const dev = process.argv.includes('--dev');
const startedAtMs = Number(process.env.PRAXIS_STARTED_AT_MS ?? Date.now());
const say = (line: string): void => console.log(line);

const preferredPorts = {
  servers: [5441, 5442, 5443],
  replica: 5444,
  redis: 6391,
  apis: [portFrom(process.env.HTTP_PORT, 3000)],
  gateways: [portFrom(process.env.GATEWAY_PORT, 3200)],
  workers: [portFrom(process.env.WORKER_PORT, 3100)],
};

try {
  process.exitCode = await main();
} catch (error) {
  console.error(error instanceof StackError ? readableText(error.message) : error);
  process.exitCode = 1;
}

function portFrom(text: string | undefined, usual: number): number {
  const port = Number(text);
  return Number.isInteger(port) && port > 0 && port < 65_536 ? port : usual;
}

async function main(): Promise<number> {
  const ending = listenForEnd(say);
  const logs = new HeldBackLogs();
  const ready = await start(ending, logs);
  if (ready === undefined) return 0;
  const { stack, seed } = ready;
  process.once('exit', () => stack.stopWithoutWaiting());
  writeEnvironment(stack);
  say(banner(stack, seed, (Date.now() - startedAtMs) / 1000));
  logs.release();
  const reloader = dev ? reloadOnEdit(stack, say) : undefined;
  for (const app of stack.apps) app.onExit((how) => onAppExit(app.name, how, ending));
  const status = await ending.asked;
  await reloader?.close();
  await stack.stop();
  say('Stopped. The data stays; `npm start` goes on with it, `npm run reset` removes it.');
  return status;
}

/** For the operator's verbs. */
function writeEnvironment({ operatorEnvironment, url, gateways }: LocalStack): void {
  const environment = { ...operatorEnvironment, API_URL: url, GATEWAY_URL: gateways[0]?.url };
  writeFileSync(environmentFile(), `${JSON.stringify(environment, null, 2)}\n`, { mode: 0o600 });
}

/** Undefined when the person at the terminal ended it before it was ready. */
async function start({ abort }: Ending, logs: HeldBackLogs): Promise<ReadyStack | undefined> {
  const home = stackDataFolder();
  say(`Starting PostgreSQL, Redis and the apps; data in ${home}`);
  let seed: SeedReport | undefined;
  try {
    const stack = await LocalStack.start(
      {
        home,
        apis: 1,
        gateways: 1,
        workers: 1,
        ports: preferredPorts,
        environment: process.env.HTTP_HOST ? { HTTP_HOST: process.env.HTTP_HOST } : {},
        note: say,
        onLine: (app, line) => logs.hear(app, line),
        abort,
      },
      async (migrated) => {
        seed = readSeedReport(await migrated.cli('seed'));
      },
    );
    if (seed === undefined) throw new StackError('the seed did not run');
    return { stack, seed };
  } catch (error) {
    if (abort.aborted) {
      say('Stopped before it was ready.');
      return undefined;
    }
    throw error;
  }
}

/** In development an edit brings the app back; otherwise a stack without one of its apps is over. */
function onAppExit(name: string, how: string, ending: Ending): void {
  say(`${name} ended by itself (${how})${dev ? '; it starts again on the next edit' : ''}`);
  if (!dev) ending.end(1);
}
