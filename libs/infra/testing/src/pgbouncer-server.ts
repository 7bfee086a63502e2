import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chownTree, projectRoot, StackError, serverAccount } from './places.js';
import { findPort, giveBackPort } from './ports.js';
import { type Login, writeOwned } from './postgres-server.js';
import { logTail, signal, startServer, stopProcess, waitUntil } from './processes.js';
import type { Environment } from './stack-environment.js';
import { type SystemProgram, systemProgram } from './system-program.js';

export interface PgbouncerPlan {
  /** Where the program is unpacked, when it is not on PATH. */
  readonly home: string;
  /** Where each database lies. */
  readonly databases: Readonly<Record<string, { readonly host: string; readonly port: number }>>;
  /** Who may come, with the passwords that PostgreSQL knows them by. */
  readonly logins: readonly Login[];
  /** Settings of deploy/pgbouncer/pgbouncer.ini to change, by the names it gives them. */
  readonly settings?: Environment;
  readonly note?: (line: string) => void;
}

const host = '127.0.0.1';
const startTimeoutMs = 10_000;
const stopTimeoutMs = 5_000;
const probeTimeoutMs = 500;
/** The first version that keeps the names of statements. */
const withNames = [1, 21] as const;

/** The product's own PgBouncer settings on loopback, before servers that run here. */
export class PgbouncerServer {
  readonly host = host;
  #stopped = false;

  private constructor(
    readonly port: number,
    readonly pid: number,
    /** Whether it keeps the names of prepared statements. */
    readonly keepsNames: boolean,
    private readonly folder: string,
  ) {}

  /** Resolves when it accepts. */
  static async start(plan: PgbouncerPlan): Promise<PgbouncerServer> {
    const note = plan.note ?? (() => {});
    const binary = systemProgram('pgbouncer', plan.home, note);
    const keepsNames = isAtLeast(versionOf(binary), withNames);
    const folder = makeFolder();
    const port = await findPort('PgBouncer', [], note);
    const text = readFileSync(join(projectRoot(), 'deploy/pgbouncer/pgbouncer.ini'), 'utf8');
    const own = { listen_addr: host, listen_port: String(port), auth_file: join(folder, 'users.txt') };
    writeOwned(join(folder, 'users.txt'), userList(plan.logins));
    writeOwned(
      join(folder, 'pgbouncer.ini'),
      pgbouncerOnLoopback(text, plan.databases, { ...plan.settings, ...own }, keepsNames),
    );
    const child = await startServer({
      program: binary.program,
      args: [join(folder, 'pgbouncer.ini')],
      cwd: folder,
      logFile: `${folder}.log`,
      account: serverAccount(),
      lastSignal: 'SIGTERM',
      environment: libraries(binary),
    });
    await waitUntil(async () => child.exitCode !== null || (await accepts(port)), startTimeoutMs);
    const server = new PgbouncerServer(port, child.pid, keepsNames, folder);
    if (child.exitCode === null && (await accepts(port))) return server;
    const log = logTail(`${folder}.log`);
    await server.stop();
    throw new StackError(`PgBouncer did not start:\n${log}`);
  }

  /** What it has written. */
  log(): string {
    return readFileSync(`${this.folder}.log`, 'utf8');
  }

  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    try {
      await stopProcess(this.pid, [
        ['SIGTERM', stopTimeoutMs],
        ['SIGKILL', stopTimeoutMs],
      ]);
    } finally {
      this.#remove();
    }
  }

  /** For the last moment of a process that cannot wait any more. */
  stopWithoutWaiting(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    signal(this.pid, 'SIGTERM');
    this.#remove();
  }

  #remove(): void {
    giveBackPort(this.port);
    rmSync(this.folder, { recursive: true, force: true });
    rmSync(`${this.folder}.log`, { force: true });
  }
}

/**
 * deploy/pgbouncer/pgbouncer.ini for servers on loopback: each database of `databases` takes the place of those it names,
 * with the rest of their line; settings are changed as given, and one that it does not have is a mistake. A program that
 * does not keep names is not told how many.
 */
export function pgbouncerOnLoopback(
  text: string,
  databases: PgbouncerPlan['databases'],
  settings: Environment,
  keepsNames: boolean,
): string {
  const [, further] = /^\w+ = host=\S+ port=\d+ (.*)$/m.exec(text) ?? [];
  if (further === undefined) throw new StackError('pgbouncer.ini names no database');
  const lines = Object.entries(databases).map(([name, at]) => `${name} = host=${at.host} port=${at.port} ${further}`);
  const [head = '', tail = ''] = text.split('[pgbouncer]');
  const changed = Object.entries(settings).reduce((ini, [name, value]) => {
    const line = new RegExp(`^${name} =.*$`, 'm');
    if (!line.test(ini)) throw new StackError(`pgbouncer.ini has no ${name}`);
    return ini.replace(line, `${name} = ${value}`);
  }, tail);
  const kept = keepsNames ? changed : changed.replace(/^max_prepared_statements = .*$/m, '');
  return `${head.split('[databases]')[0]}[databases]\n${lines.join('\n')}\n\n[pgbouncer]${kept}`;
}

const userList = (logins: readonly Login[]): string =>
  logins.map(({ user, password }) => `"${user}" "${password.replaceAll('"', '""')}"\n`).join('');

function makeFolder(): string {
  const folder = mkdtempSync(join(realpathSync(tmpdir()), 'praxis-pgbouncer-'));
  mkdirSync(folder, { recursive: true });
  chownTree(folder, serverAccount());
  return folder;
}

const libraries = ({ libraryPath }: SystemProgram): Environment =>
  libraryPath === undefined ? {} : { LD_LIBRARY_PATH: libraryPath };

function versionOf(binary: SystemProgram): readonly [major: number, minor: number] {
  const said = execFileSync(binary.program, ['--version'], {
    encoding: 'utf8',
    env: { PATH: process.env.PATH, ...libraries(binary) },
  });
  const [, major, minor] = /PgBouncer (\d+)\.(\d+)/.exec(said) ?? [];
  return [Number(major), Number(minor)];
}

const isAtLeast = ([major, minor]: readonly [number, number], [least, point]: readonly [number, number]): boolean =>
  major > least || (major === least && minor >= point);

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ host, port });
    const finish = (accepted: boolean) => {
      socket.destroy();
      resolve(accepted);
    };
    socket.setTimeout(probeTimeoutMs, () => finish(false));
    socket.once('error', () => finish(false));
    socket.once('connect', () => finish(true));
  });
}
