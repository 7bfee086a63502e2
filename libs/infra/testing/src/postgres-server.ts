import { execFile } from 'node:child_process';
import { appendFileSync, chownSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { Client } from 'pg';
import { StackError, serverAccount } from './places.js';
import { type PostgresBinaries, postgresBinaries } from './postgres-binaries.js';
import { type Durability, type PostgresSettings, postgresSettings } from './postgres-settings.js';
import {
  commandOf,
  endChildWithProcess,
  isAlive,
  logTail,
  signal,
  startServer,
  stopProcess,
  waitUntil,
} from './processes.js';

export interface Login {
  readonly user: string;
  readonly password: string;
}

/** Where a server answers. */
export interface PostgresAddress {
  readonly host: string;
  readonly port: number;
  readonly superuser: Login;
}

export interface PostgresPlan {
  /** Holds the binaries; shared by all servers of a clone. */
  readonly binariesHome: string;
  readonly dataDir: string;
  readonly port: number;
  readonly superuser: Login;
  readonly durability: Durability;
  /** Beyond the usual ones; they win. */
  readonly settings?: PostgresSettings;
}

const run = promisify(execFile);
const startTimeoutMs = 60_000;
const stopTimeoutMs = 20_000;
const killTimeoutMs = 5_000;
const host = '127.0.0.1';

/** Thrown when another program took the port between its choice and the start. */
export class PortTakenError extends StackError {}

/** One PostgreSQL 18 on loopback, with SCRAM passwords and logical replication from its first start. */
export class PostgresServer implements PostgresAddress {
  readonly host = host;
  private constructor(
    readonly port: number,
    readonly superuser: Login,
    readonly dataDir: string,
    readonly pid: number,
    private readonly durability: Durability,
  ) {}

  /** Makes the data folder when there is none, and resolves when the server answers (a standby: when it can be read). */
  static async start(plan: PostgresPlan): Promise<PostgresServer> {
    const { dataDir, port, superuser, durability, settings } = plan;
    const binaries = postgresBinaries(plan.binariesHome);
    await stopStale(dataDir);
    if (!existsSync(join(dataDir, 'PG_VERSION'))) await initialise(binaries, plan);
    const further = { ...countingStatements(binaries), ...settings };
    writeOwned(join(dataDir, 'praxis.conf'), postgresSettings(port, durability, further));
    const logFile = `${dataDir}.log`;
    const child = await startServer({
      program: binaries.postgres,
      args: ['-D', dataDir],
      cwd: dataDir,
      logFile,
      account: serverAccount(),
      lastSignal: 'SIGQUIT',
    });
    const answered = await waitUntil(() => child.exitCode !== null || isReady(dataDir, child.pid), startTimeoutMs);
    if (answered && child.exitCode === null) return new PostgresServer(port, superuser, dataDir, child.pid, durability);
    signal(child.pid, 'SIGQUIT');
    throw startFailure(port, logTail(logFile));
  }

  /** Clients are cut off, and committed work is on disk. Without durability: at once, with nothing written. */
  async stop(): Promise<void> {
    const fast = [['SIGINT', stopTimeoutMs]] as const;
    const now = [
      ['SIGQUIT', killTimeoutMs],
      ['SIGKILL', killTimeoutMs],
    ] as const;
    await stopProcess(this.pid, this.durability === 'durable' ? [...fast, ...now] : now);
  }

  /** For the last moment of a process that cannot wait any more. */
  stopWithoutWaiting(): void {
    signal(this.pid, 'SIGQUIT');
  }

  /** Runs `work` on one connection of the superuser. */
  async asSuperuser<T>(work: (client: Client) => Promise<T>, database = 'postgres'): Promise<T> {
    const client = new Client({ host, port: this.port, ...this.superuser, database });
    await client.connect();
    try {
      return await work(client);
    } finally {
      await client.end();
    }
  }
}

/** As in production, where the package has what it takes. */
function countingStatements({ postgres }: PostgresBinaries): PostgresSettings {
  const extension = join(dirname(dirname(postgres)), 'share/postgresql/extension/pg_stat_statements.control');
  if (!existsSync(extension)) return {};
  return { shared_preload_libraries: 'pg_stat_statements', 'pg_stat_statements.track_utility': 'off' };
}

/** PostgreSQL writes its state to line 8 of its pid file, as its own pg_ctl reads it. */
function isReady(dataDir: string, pid: number): boolean {
  const lines = pidFileOf(dataDir);
  return lines[0] === String(pid) && /^(ready|standby)/.test(lines[7] ?? '');
}

function pidFileOf(dataDir: string): readonly string[] {
  try {
    return readFileSync(join(dataDir, 'postmaster.pid'), 'utf8').split('\n');
  } catch {
    return [];
  }
}

/** Stops a server that a killed run left behind: only one that runs on this very data folder. */
export async function stopStale(dataDir: string): Promise<boolean> {
  const [pidText, dataDirOfPid] = pidFileOf(dataDir);
  const pid = Number(pidText);
  if (!Number.isInteger(pid) || pid <= 1 || dataDirOfPid !== dataDir) return false;
  if (!isAlive(pid) || !commandOf(pid).includes(dataDir)) return false;
  await stopProcess(pid, [
    ['SIGINT', stopTimeoutMs],
    ['SIGQUIT', killTimeoutMs],
  ]);
  return true;
}

async function initialise(binaries: PostgresBinaries, plan: PostgresPlan): Promise<void> {
  const { dataDir, superuser } = plan;
  makeDataDir(dataDir);
  const passwordFile = `${dataDir}.password`;
  writeOwned(passwordFile, superuser.password);
  const access = ['-U', superuser.user, `--pwfile=${passwordFile}`, '--auth=scram-sha-256'];
  const portable = ['--encoding=UTF8', '--locale-provider=builtin', '--builtin-locale=C.UTF-8', '--locale=C'];
  const environment = { PATH: process.env.PATH, LC_ALL: 'C' };
  try {
    const running = run(binaries.initdb, ['-D', dataDir, ...access, ...portable, '--no-instructions', '--no-sync'], {
      cwd: dataDir,
      env: environment,
      ...serverAccount(),
    });
    endChildWithProcess(running.child, 'SIGKILL');
    await running;
    appendFileSync(join(dataDir, 'postgresql.conf'), `\ninclude 'praxis.conf'\n`);
  } catch (cause) {
    rmSync(dataDir, { recursive: true, force: true });
    throw new StackError(`PostgreSQL could not make its data folder: ${(cause as Error).message}`, { cause });
  } finally {
    rmSync(passwordFile, { force: true });
  }
}

/** A folder that only the servers' account can read. */
export function makeDataDir(dataDir: string): void {
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  own(dataDir);
}

/** A file that only the servers' account can read. */
export function writeOwned(file: string, content: string): void {
  writeFileSync(file, content, { mode: 0o600 });
  own(file);
}

function own(path: string): void {
  const account = serverAccount();
  if (account !== undefined) chownSync(path, account.uid, account.gid);
}

function startFailure(port: number, log: string): StackError {
  if (/could not (bind|create any TCP)/.test(log)) return new PortTakenError(`port ${port} is in use`);
  return new StackError(`PostgreSQL did not start on port ${port}:\n${log}`);
}
