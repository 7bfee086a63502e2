import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { ClusterRunsError, holderOf, isAlive, LocalStack, StackError, stopLeftStack, waitUntil } from '#infra/testing';
import { banner } from './banner.js';
import { type Ending, listenForEnd } from './ending.js';
import { environmentFile, wholeStackFolder } from './home.js';
import { HeldBackLogs } from './log-lines.js';
import { readSeedReport, type SeedReport } from './seed-report.js';
import type { StackVerb } from './verb.js';

type Up = Extract<StackVerb, { readonly verb: 'up' }>;
type Row = readonly [name: string, url: string];

/** Apart from those of `npm start`, so that both may run. */
const preferredPorts = {
  servers: [5451, 5452, 5453],
  replica: 5454,
  redis: 6401,
  redisNodes: [7000, 7001, 7002, 7003, 7004, 7005],
  apis: [3010, 3011, 3012, 3013],
  gateways: [3210, 3211, 3212, 3213],
  workers: [3110, 3111, 3112, 3113],
  proxy: { http: 8080, https: 8443, stats: 8404 },
};
/** Drain, and the servers' own stop. */
const downTimeoutMs = 120_000;
const probeTimeoutMs = 2_000;
const listFile = (): string => join(wholeStackFolder(), 'running.json');

/** Runs in the foreground until a signal; the exit status. */
export async function up(plan: Up, startedAtMs: number, say: (line: string) => void): Promise<number> {
  const ending = listenForEnd(say);
  const logs = new HeldBackLogs();
  const ready = await start(plan, ending, logs, say);
  if (ready === undefined) return 0;
  const { stack, seed } = ready;
  process.once('exit', () => stack.stopWithoutWaiting());
  writeOwn(environmentFile(wholeStackFolder()), stack.operatorEnvironment);
  writeOwn(listFile(), { pid: process.pid, pages: pagesOf(stack) } satisfies Running);
  say(banner(stack, seed, (Date.now() - startedAtMs) / 1000));
  logs.release();
  for (const app of stack.apps)
    app.onExit((how) => say(`${app.name} ended by itself (${how}); the others go on without it`));
  const status = await ending.asked;
  await stack.stop();
  rmSync(listFile(), { force: true });
  say('Stopped. The data stays; `npm run praxis -- stack up` goes on with it, `npm run reset` removes it.');
  return status;
}

interface Ready {
  readonly stack: LocalStack;
  readonly seed: SeedReport;
}

/** Undefined when it was ended before it was ready. */
async function start(
  { apis, gateways, workers, redisCluster }: Up,
  { abort }: Ending,
  logs: HeldBackLogs,
  say: (line: string) => void,
): Promise<Ready | undefined> {
  const home = wholeStackFolder();
  say(`Starting PostgreSQL, ${redisCluster ? 'six Redis nodes' : 'Redis'}, the apps and HAProxy; data in ${home}`);
  let seed: SeedReport | undefined;
  const size = { apis, gateways, workers, redisCluster, proxy: true };
  const heard = { note: say, onLine: (app: string, line: string) => logs.hear(app, line) };
  try {
    const stack = await LocalStack.start(
      { home, ...size, ports: preferredPorts, ...heard, abort },
      async (migrated) => {
        seed = readSeedReport(await migrated.cli('seed'));
      },
    );
    if (seed === undefined) throw new StackError('the seed did not run');
    return { stack, seed };
  } catch (error) {
    if (error instanceof ClusterRunsError)
      throw new StackError(`It already runs (process ${error.pid}); \`npm run praxis -- stack down\` stops it.`);
    if (!abort.aborted) throw error;
    say('Stopped before it was ready.');
    return undefined;
  }
}

/** 0 when everything that was started runs: apps and HAProxy ready, data servers accepting connections. */
export async function status(say: (line: string) => void): Promise<number> {
  const pid = holderOf(wholeStackFolder());
  const pages = pid === undefined ? undefined : pagesOfRun(pid);
  if (pages === undefined) {
    say(pid === undefined ? notRunning() : `It is starting (process ${pid}).`);
    return 1;
  }
  const states = await Promise.all(pages.map(([, url]) => stateOf(url)));
  const width = Math.max(...pages.map(([name]) => name.length));
  say(`It runs (process ${pid}).`);
  for (const [n, [name, url]] of pages.entries()) say(`  ${name.padEnd(width)}  ${states[n]?.padEnd(9)}  ${url}`);
  return states.every((state) => state === 'ready' || state === 'up') ? 0 : 1;
}

/** The list of what runs goes with the run that wrote it, unless that was killed. */
const notRunning = (): string =>
  existsSync(listFile())
    ? 'It does not run. Its last run was killed and may have left processes behind; `npm run praxis -- stack down` stops them.'
    : 'It does not run.';

/** Asks the process that runs it to stop, and waits; without one, stops what a killed one left behind. */
export async function down(say: (line: string) => void): Promise<number> {
  const folder = wholeStackFolder();
  const pid = holderOf(folder);
  if (pid === undefined) {
    say((await stopLeftStack(folder)) ? 'Stopped what a killed run had left behind.' : 'It does not run.');
    rmSync(listFile(), { force: true });
    return 0;
  }
  say(`Stopping it (process ${pid}) …`);
  process.kill(pid, 'SIGTERM');
  if (!(await waitUntil(() => !isAlive(pid), downTimeoutMs)))
    throw new StackError(`process ${pid} still runs after ${downTimeoutMs / 1_000} s`);
  say('Stopped. The data stays.');
  return 0;
}

/** Where each process says whether it can be used: a page of HAProxy and of every app, the port of a data server. */
function pagesOf({ apps, cluster, proxy }: LocalStack): readonly Row[] {
  const edge: readonly Row[] =
    proxy === undefined
      ? []
      : [
          ['HAProxy', `${proxy.url}/health/ready`],
          ['HAProxy, inside', `${proxy.statsUrl}/healthz`],
        ];
  return [...edge, ...apps.map(({ name, url }): Row => [name, `${url}/health/ready`]), ...serversOf(cluster)];
}

function serversOf({ servers, replica, redis, redisCluster }: LocalStack['cluster']): readonly Row[] {
  const at = (name: string, { host, port }: { readonly host: string; readonly port: number }): Row => [
    name,
    `tcp://${host}:${port}`,
  ];
  return [
    ...servers.map((server, n) => at(`PostgreSQL ${n + 1}`, server)),
    ...(replica === undefined ? [] : [at('replica of 1', replica)]),
    ...(redis === undefined ? [] : [at('Redis', redis)]),
    ...(redisCluster?.nodes ?? []).map((node, n) => at(`Redis ${n + 1}`, node)),
  ];
}

async function stateOf(url: string): Promise<string> {
  if (url.startsWith('tcp:')) return (await accepts(new URL(url))) ? 'up' : 'away';
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(probeTimeoutMs) });
    await answer.body?.cancel();
    return answer.ok ? 'ready' : 'not ready';
  } catch {
    return 'away';
  }
}

function accepts({ hostname: host, port }: URL): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port: Number(port), timeout: probeTimeoutMs });
    const answer = (accepted: boolean) => {
      socket.destroy();
      resolve(accepted);
    };
    socket.once('connect', () => answer(true));
    socket.once('timeout', () => answer(false));
    socket.once('error', () => answer(false));
  });
}

interface Running {
  readonly pid: number;
  readonly pages: readonly Row[];
}

/** Undefined while it is starting. */
function pagesOfRun(pid: number): readonly Row[] | undefined {
  try {
    const running = JSON.parse(readFileSync(listFile(), 'utf8')) as Running;
    return running.pid === pid ? running.pages : undefined;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

const writeOwn = (file: string, value: unknown): void =>
  writeFileSync(file, `${JSON.stringify(value, null, 2)}\n`, { mode: 0o600 });
