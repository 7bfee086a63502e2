import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { systemClock } from '#infra/kernel';
import { type EdgeTargets, onLoopback } from './haproxy-settings.js';
import { projectRoot, StackError } from './places.js';
import { findPort, giveBackPort } from './ports.js';
import { birthOf, isAlive, logTail, signal, startServer, stopProcess, waitUntil } from './processes.js';
import { selfSignedCertificate } from './self-signed-certificate.js';
import type { Environment } from './stack-environment.js';
import { type SystemProgram, systemProgram } from './system-program.js';

export interface HaproxyPlan extends EdgeTargets {
  /** Where the program is unpacked, when it is not on PATH. */
  readonly home: string;
  /** Its files: rendered settings, certificate, log. `<home>/edge` when left out; of one server only. */
  readonly folder?: string;
  /** To take when they are free, else others. */
  readonly ports?: { readonly http?: number; readonly https?: number; readonly stats?: number };
  /** Settings of deploy/haproxy/haproxy.cfg, by the names it gives them. */
  readonly settings?: Environment;
  readonly note?: (line: string) => void;
}

interface EdgePorts {
  readonly http: number;
  readonly https: number;
  readonly stats: number;
}

const host = '127.0.0.1';
const startTimeoutMs = 10_000;
const reloadTimeoutMs = 15_000;
const stopTimeoutMs = 5_000;
const probeTimeoutMs = 500;
const certificateLifeMs = 10 * 365 * 24 * 3_600_000;
/** One process on loopback is all clients at once: limits of one source would be limits of everybody. */
const lifted: Environment = {
  PLAIN_HTTP: 'yes',
  EDGE_MAXCONN: '4000',
  EDGE_REQUESTS_PER_S: '1000000',
  EDGE_AUTH_REQUESTS_PER_S: '1000000',
  EDGE_CONNECTIONS: '4000',
  EDGE_CONNECTIONS_PER_10_S: '1000000',
};

/**
 * The product's own HAProxy settings on loopback, before instances that run here. Without `settings`, limits of one
 * source are lifted and plain HTTP is served too.
 */
export class HaproxyServer {
  readonly host = host;
  readonly #folder: string;
  #stopped = false;

  private constructor(
    private readonly plan: HaproxyPlan,
    readonly ports: EdgePorts,
    readonly pid: number,
    /** PEM of the certificate, for clients to trust. */
    readonly certificate: string,
  ) {
    this.#folder = folderOf(plan);
  }

  /** Resolves when it accepts. */
  static async start(plan: HaproxyPlan): Promise<HaproxyServer> {
    const note = plan.note ?? (() => {});
    const folder = folderOf(plan);
    const binary = systemProgram('haproxy', plan.home, note);
    mkdirSync(folder, { recursive: true });
    await stopStaleHaproxy(folder);
    const ports = {
      http: await findPort('the edge (HTTP)', wish(plan.ports?.http), note),
      https: await findPort('the edge (HTTPS)', wish(plan.ports?.https), note),
      stats: await findPort('the edge (operators)', wish(plan.ports?.stats), note),
    };
    const certificate = writeCertificate(folder);
    writeSettings(folder, plan);
    const child = await launch(binary, folder, ports, plan.settings);
    const server = new HaproxyServer(plan, ports, child.pid, certificate);
    await waitUntil(async () => child.exitCode !== null || (await server.#accepts()), startTimeoutMs);
    if (child.exitCode === null && (await server.#accepts())) return server;
    server.stopWithoutWaiting();
    throw new StackError(`HAProxy did not start:\n${logTail(join(folder, 'haproxy.log'))}`);
  }

  get url(): string {
    return `http://${host}:${this.ports.http}`;
  }

  get httpsUrl(): string {
    return `https://localhost:${this.ports.https}`;
  }

  /** For operators: `/stats`, `/metrics`, `/healthz`. */
  get statsUrl(): string {
    return `http://${host}:${this.ports.stats}`;
  }

  /** What it has written: refused and failed requests, servers going down and coming up. */
  log(): string {
    return readFileSync(join(this.#folder, 'haproxy.log'), 'utf8');
  }

  /** A new process takes over the listening sockets; the old one ends when its connections have, after 45 s at most. */
  async reload(targets: EdgeTargets = this.plan): Promise<void> {
    const before = await this.workers();
    writeSettings(this.#folder, targets);
    signal(this.pid, 'SIGUSR2');
    const taken = await waitUntil(async () => {
      const { current } = await this.workers().catch(() => ({ current: before.current }));
      return current !== undefined && current !== before.current && (await this.#accepts());
    }, reloadTimeoutMs);
    if (!taken) throw new StackError(`HAProxy did not reload:\n${logTail(join(this.#folder, 'haproxy.log'))}`);
  }

  /** Process ids: the one that accepts, and those that finish what they had. */
  async workers(): Promise<{ readonly current: number | undefined; readonly old: readonly number[] }> {
    const answer = await askMaster(join(this.#folder, 'master.sock'), 'show proc');
    const [now = '', then = ''] = (answer.split('# workers')[1] ?? '').split('# old workers');
    const pids = (text: string) => [...text.matchAll(/^(\d+)\s+worker/gm)].map(([, pid]) => Number(pid));
    return { current: pids(now)[0], old: pids(then) };
  }

  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    try {
      await stopProcess(this.pid, [
        ['SIGTERM', stopTimeoutMs],
        ['SIGKILL', stopTimeoutMs],
      ]);
      rmSync(join(this.#folder, 'praxis.pid'), { force: true });
    } finally {
      this.#giveBack();
    }
  }

  /** For the last moment of a process that cannot wait any more. */
  stopWithoutWaiting(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    signal(this.pid, 'SIGTERM');
    this.#giveBack();
  }

  async #accepts(): Promise<boolean> {
    try {
      const answer = await fetch(`${this.statsUrl}/healthz`, { signal: AbortSignal.timeout(probeTimeoutMs) });
      await answer.body?.cancel();
      return answer.ok;
    } catch {
      return false;
    }
  }

  #giveBack(): void {
    for (const port of Object.values(this.ports)) giveBackPort(port);
  }
}

const folderOf = ({ home, folder }: HaproxyPlan): string => folder ?? join(home, 'edge');

const wish = (port: number | undefined): readonly number[] => (port === undefined ? [] : [port]);

function writeCertificate(folder: string): string {
  const now = systemClock.now();
  const made = selfSignedCertificate({
    names: ['localhost', host],
    notBefore: now - certificateLifeMs / 100,
    notAfter: now + certificateLifeMs,
  });
  const file = join(folder, 'edge.pem');
  rmSync(file, { force: true });
  writeFileSync(file, `${made.certificate}${made.privateKey}`, { mode: 0o600 });
  return made.certificate;
}

function writeSettings(folder: string, targets: EdgeTargets): void {
  const config = readFileSync(join(projectRoot(), 'deploy/haproxy/haproxy.cfg'), 'utf8');
  writeFileSync(join(folder, 'haproxy.cfg'), onLoopback(config, targets));
}

async function launch(binary: SystemProgram, folder: string, ports: EdgePorts, settings: Environment = {}) {
  const child = await startServer({
    program: binary.program,
    // Master and worker, as the container runs it; the master stays the same process through reloads.
    args: ['-W', '-db', '-S', join(folder, 'master.sock'), '-f', join(folder, 'haproxy.cfg')],
    cwd: folder,
    logFile: join(folder, 'haproxy.log'),
    account: undefined,
    lastSignal: 'SIGTERM',
    environment: {
      ...lifted,
      HTTP_BIND: `${host}:${ports.http}`,
      HTTPS_BIND: `${host}:${ports.https}`,
      STATS_BIND: `${host}:${ports.stats}`,
      HTTPS_SUFFIX: `:${ports.https}`,
      TLS_PEM: join(folder, 'edge.pem'),
      ...settings,
      ...(binary.libraryPath === undefined ? {} : { LD_LIBRARY_PATH: binary.libraryPath }),
    },
  });
  writeFileSync(join(folder, 'praxis.pid'), `${child.pid} ${birthOf(child.pid)}`);
  return child;
}

/** Stops a server that a killed run left behind: the pid must be of the very process that was started here. */
async function stopStaleHaproxy(folder: string): Promise<void> {
  const pidFile = join(folder, 'praxis.pid');
  if (!existsSync(pidFile)) return;
  const [pidText, ...birth] = readFileSync(pidFile, 'utf8').split(' ');
  const pid = Number(pidText);
  if (!Number.isInteger(pid) || pid <= 1 || !isAlive(pid) || birthOf(pid) !== birth.join(' ')) return;
  await stopProcess(pid, [
    ['SIGTERM', stopTimeoutMs],
    ['SIGKILL', stopTimeoutMs],
  ]);
}

/** One question to the master process, by its own socket. */
function askMaster(path: string, question: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path });
    let answer = '';
    socket.setTimeout(probeTimeoutMs, () => socket.destroy(new Error('HAProxy’s master does not answer')));
    socket.once('error', reject);
    socket.once('connect', () => socket.end(`${question}\n`));
    socket.on('data', (chunk) => {
      answer += chunk.toString('utf8');
    });
    socket.once('close', () => resolve(answer));
  });
}
