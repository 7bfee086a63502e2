import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { chownTree, StackError, serverAccount, stackHome } from './places.js';
import { findPort, giveBackPort } from './ports.js';
import { logTail, signal, startServer, stopProcess, waitUntil } from './processes.js';
import { systemProgram } from './system-program.js';

const host = '127.0.0.1';
const startTimeoutMs = 30_000;
const stopTimeoutMs = 10_000;
const probeTimeoutMs = 1_000;

/** One etcd on loopback, where Patroni keeps who is the primary. */
export class EtcdServer {
  private constructor(
    readonly port: number,
    private readonly peerPort: number,
    private readonly pid: number,
  ) {}

  static async start(folder: string, note: (line: string) => void): Promise<EtcdServer> {
    const { program } = systemProgram('etcd', stackHome(), note);
    const [port, peerPort] = [await findPort('etcd', [], note), await findPort('etcd (peers)', [], note)];
    const [clients, peers] = [`http://${host}:${port}`, `http://${host}:${peerPort}`];
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    chownTree(folder, serverAccount());
    const settings = {
      name: 'etcd-1',
      'data-dir': join(folder, 'data'),
      'listen-client-urls': clients,
      'advertise-client-urls': clients,
      'listen-peer-urls': peers,
      'initial-advertise-peer-urls': peers,
      'initial-cluster': `etcd-1=${peers}`,
      'log-level': 'warn',
    };
    const logFile = `${folder}.log`;
    const child = await startServer({
      // Ends with this process, whatever ends that.
      program: 'setpriv',
      args: ['--pdeathsig', 'TERM', program, ...Object.entries(settings).map(([name, value]) => `--${name}=${value}`)],
      cwd: folder,
      logFile,
      account: serverAccount(),
      lastSignal: 'SIGTERM',
    });
    const server = new EtcdServer(port, peerPort, child.pid);
    await waitUntil(async () => child.exitCode !== null || (await isHealthy(clients)), startTimeoutMs);
    if (child.exitCode === null && (await isHealthy(clients))) return server;
    server.stopWithoutWaiting();
    throw new StackError(`etcd did not start:\n${logTail(logFile)}`);
  }

  get address(): string {
    return `${host}:${this.port}`;
  }

  async stop(): Promise<void> {
    await stopProcess(this.pid, [
      ['SIGTERM', stopTimeoutMs],
      ['SIGKILL', stopTimeoutMs],
    ]);
    for (const port of [this.port, this.peerPort]) giveBackPort(port);
  }

  stopWithoutWaiting(): void {
    signal(this.pid, 'SIGKILL');
  }
}

async function isHealthy(url: string): Promise<boolean> {
  try {
    const answer = await fetch(`${url}/health`, { signal: AbortSignal.timeout(probeTimeoutMs) });
    return ((await answer.json()) as { health?: string }).health === 'true';
  } catch {
    return false;
  }
}
