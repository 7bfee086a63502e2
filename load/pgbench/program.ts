import { execFile } from 'node:child_process';
import {
  accessSync,
  constants,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { PgbenchScript } from './script.js';

const execute = promisify(execFile);
const debianFolder = '/usr/lib/postgresql';

/** From PATH, else from Debian's folders, the newest first; undefined where there is none. */
export function findPgbench(): string | undefined {
  const versions = existsSync(debianFolder) ? readdirSync(debianFolder).sort((a, b) => Number(b) - Number(a)) : [];
  const folders = [...(process.env.PATH ?? '').split(':'), ...versions.map((each) => join(debianFolder, each, 'bin'))];
  return folders.map((folder) => join(folder, 'pgbench')).find(isProgram);
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

export const pgbenchVersion = async (program: string): Promise<string> =>
  (await execute(program, ['--version'])).stdout.trim();

export interface PgbenchRun {
  readonly program: string;
  /** As the app's own: role, password, database. */
  readonly url: string;
  /** Settings with which the app opens a connection. */
  readonly startup: ReadonlyMap<string, string>;
  readonly script: PgbenchScript;
  /** For this run beside the script's own. */
  readonly variables: Readonly<Record<string, string>>;
  readonly clients: number;
  /** `-T` seconds or `-t` transactions of each client. */
  readonly amount: { readonly seconds: number } | { readonly transactions: number };
}

export interface PgbenchResult {
  readonly transactions: number;
  readonly perSecond: number;
  readonly latenciesMs: readonly number[];
}

const maxOutputBytes = 1024 * 1024;
const threadsMax = 2;

/** Prepared statements; no vacuum before. Throws when a client of pgbench gave up. */
export async function runPgbench(run: PgbenchRun): Promise<PgbenchResult> {
  const folder = mkdtempSync(join(tmpdir(), 'praxis-pgbench-'));
  try {
    writeFileSync(join(folder, 'booking.sql'), run.script.text);
    const { stdout } = await execute(run.program, argumentsOf(run), {
      cwd: folder,
      env: { ...process.env, ...connectionOf(run) },
      maxBuffer: maxOutputBytes,
    });
    const logs = readdirSync(folder).filter((name) => name.startsWith('latency'));
    return { ...readSummary(stdout), latenciesMs: logs.flatMap((name) => readLatencies(join(folder, name))) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function argumentsOf({ script, variables, clients, amount }: PgbenchRun): string[] {
  const defined = { ...script.variables, ...variables, clients: String(clients) };
  const much = 'seconds' in amount ? ['-T', String(amount.seconds)] : ['-t', String(amount.transactions)];
  return [
    ...['-n', '-M', 'prepared', '-c', String(clients), '-j', String(Math.min(threadsMax, clients)), ...much],
    ...['-f', 'booking.sql', '--log', '--log-prefix=latency'],
    ...Object.entries(defined).map(([name, value]) => `--define=${name}=${value}`),
  ];
}

const perConnection = new Set(['user', 'database', 'client_encoding', 'application_name']);

function connectionOf({ url, startup }: PgbenchRun): Readonly<Record<string, string>> {
  const { hostname, port, pathname, username, password } = new URL(url);
  const settings = [...startup].filter(([name]) => !perConnection.has(name));
  return {
    PGHOST: hostname,
    PGPORT: port,
    PGDATABASE: pathname.slice(1),
    PGUSER: decodeURIComponent(username),
    PGPASSWORD: decodeURIComponent(password),
    PGSSLMODE: 'disable',
    PGGSSENCMODE: 'disable',
    PGOPTIONS: settings.map(([name, value]) => `-c ${name}=${value}`).join(' '),
  };
}

/** `tps` counts from the moment when all clients are connected. */
export function readSummary(printed: string): Omit<PgbenchResult, 'latenciesMs'> {
  const transactions = /number of transactions actually processed: (\d+)/.exec(printed)?.[1];
  const perSecond = /tps = ([\d.]+) \(without initial connection time\)/.exec(printed)?.[1];
  if (transactions === undefined || perSecond === undefined) throw new Error(`pgbench printed:\n${printed}`);
  return { transactions: Number(transactions), perSecond: Number(perSecond) };
}

/** The third field of each line: microseconds. */
const readLatencies = (file: string): readonly number[] =>
  readFileSync(file, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => Number(line.split(' ')[2]) / 1000);
