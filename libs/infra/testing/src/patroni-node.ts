import { readFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { projectRoot, serverAccount, stackHome } from './places.js';
import { findPort, giveBackPort } from './ports.js';
import { type Login, makeDataDir, stopStale, writeOwned } from './postgres-server.js';
import { isAlive, logTail, signal, startServer, stopProcess, waitGone } from './processes.js';
import { postgresFolders, systemProgram } from './system-program.js';

export interface PatroniLogins {
  readonly superuser: Login;
  readonly replicationPassword: string;
  readonly rewindPassword: string;
}

export interface PatroniNodePlan {
  readonly name: string;
  /** Everything of this node. */
  readonly folder: string;
  /** Of etcd. */
  readonly store: string;
  readonly logins: PatroniLogins;
  readonly note: (line: string) => void;
}

const host = '127.0.0.1';
/** Patroni stops its PostgreSQL before it ends. */
const stopTimeoutMs = 40_000;
const killTimeoutMs = 10_000;

/** One PostgreSQL of the system under Patroni, by the settings of deploy/patroni. */
export class PatroniNode {
  #pid: number | undefined;

  private constructor(
    private readonly plan: PatroniNodePlan,
    readonly port: number,
    readonly restPort: number,
  ) {}

  static async start(plan: PatroniNodePlan): Promise<PatroniNode> {
    const port = await findPort(`PostgreSQL of ${plan.name}`, [], plan.note);
    const restPort = await findPort(`Patroni of ${plan.name}`, [], plan.note);
    makeDataDir(plan.folder);
    const node = new PatroniNode(plan, port, restPort);
    await node.start();
    return node;
  }

  get name(): string {
    return this.plan.name;
  }

  get dataDir(): string {
    return join(this.plan.folder, 'data');
  }

  /** What Patroni has written last. */
  get log(): string {
    return logTail(this.#logFile);
  }

  /** Whether its log had parted from the new primary's, so that it was rewound to where they agree. */
  get wasRewound(): boolean {
    return readFileSync(this.#logFile, 'utf8').includes('running pg_rewind');
  }

  /** Again, after `kill`. */
  async start(): Promise<void> {
    const { folder, note } = this.plan;
    const { program, libraryPath } = systemProgram('patroni', stackHome(), note);
    writeOwned(join(folder, 'patroni.yml'), this.#settings());
    const packages = join(dirname(dirname(program)), 'lib/python3/dist-packages');
    const child = await startServer({
      // Ends with this process, whatever ends that, and PostgreSQL with it.
      program: 'setpriv',
      args: ['--pdeathsig', 'TERM', program, join(folder, 'patroni.yml')],
      cwd: folder,
      logFile: this.#logFile,
      account: serverAccount(),
      environment: {
        ...this.#environment(note),
        ...(libraryPath === undefined ? {} : { LD_LIBRARY_PATH: libraryPath, PYTHONPATH: packages }),
      },
      lastSignal: 'SIGTERM',
    });
    this.#pid = child.pid;
  }

  /** SIGKILL for PostgreSQL alone: Patroni lives and sees it. */
  async killPostgres(): Promise<void> {
    const pid = this.#postmaster();
    if (pid === undefined) throw new Error(`${this.name} has no PostgreSQL`);
    signal(pid, 'SIGKILL');
    await waitGone(pid, killTimeoutMs);
  }

  /** SIGKILL for both at once, as a power cut would. */
  async kill(): Promise<void> {
    const pids = [this.#pid, this.#postmaster()].filter((pid) => pid !== undefined);
    for (const pid of pids) signal(pid, 'SIGKILL');
    for (const pid of pids) await waitGone(pid, killTimeoutMs);
    this.#pid = undefined;
  }

  async stop(): Promise<void> {
    if (this.#pid !== undefined)
      await stopProcess(this.#pid, [
        ['SIGTERM', stopTimeoutMs],
        ['SIGKILL', killTimeoutMs],
      ]);
    await stopStale(this.dataDir);
    for (const port of [this.port, this.restPort]) giveBackPort(port);
  }

  stopWithoutWaiting(): void {
    for (const pid of [this.#pid, this.#postmaster()]) if (pid !== undefined) signal(pid, 'SIGKILL');
  }

  get #logFile(): string {
    return `${this.plan.folder}.log`;
  }

  #postmaster(): number | undefined {
    try {
      const pid = Number(readFileSync(join(this.dataDir, 'postmaster.pid'), 'utf8').split('\n')[0]);
      return pid > 1 && isAlive(pid) ? pid : undefined;
    } catch {
      return undefined;
    }
  }

  /** The file of deploy/patroni, with sockets in the node's own folder. */
  #settings(): string {
    const text = readFileSync(join(projectRoot(), 'deploy/patroni/patroni.yml'), 'utf8');
    return text.replace(
      /^postgresql:\n/m,
      `postgresql:\n  parameters:\n    unix_socket_directories: '${this.plan.folder}'\n`,
    );
  }

  #environment(note: (line: string) => void): Readonly<Record<string, string>> {
    const { name, folder, store, logins } = this.plan;
    const searched = [...(process.env.PATH ?? '').split(delimiter), ...postgresFolders.map((path) => `/${path}`)];
    const tools = systemProgram('pg_rewind', stackHome(), note, searched);
    const [postgres, rest] = [`${host}:${this.port}`, `${host}:${this.restPort}`];
    return {
      PATRONI_NAME: name,
      PATRONI_RESTAPI_LISTEN: rest,
      PATRONI_RESTAPI_CONNECT_ADDRESS: rest,
      PATRONI_POSTGRESQL_LISTEN: postgres,
      PATRONI_POSTGRESQL_CONNECT_ADDRESS: postgres,
      PATRONI_POSTGRESQL_DATA_DIR: this.dataDir,
      PATRONI_POSTGRESQL_BIN_DIR: dirname(tools.program),
      PATRONI_POSTGRESQL_PGPASS: join(folder, 'pgpass'),
      PATRONI_SUPERUSER_USERNAME: logins.superuser.user,
      PATRONI_SUPERUSER_PASSWORD: logins.superuser.password,
      PATRONI_REPLICATION_USERNAME: 'praxis_replicator',
      PATRONI_REPLICATION_PASSWORD: logins.replicationPassword,
      PATRONI_REWIND_USERNAME: 'praxis_rewind',
      PATRONI_REWIND_PASSWORD: logins.rewindPassword,
      PATRONI_ETCD3_HOSTS: store,
    };
  }
}
