import { join } from 'node:path';
import type { PatroniNode } from './patroni-node.js';
import { projectRoot, StackError, stackHome } from './places.js';
import { findPort, giveBackPort } from './ports.js';
import { logTail, signal, startServer, stopProcess, waitUntil } from './processes.js';
import { systemProgram } from './system-program.js';

const host = '127.0.0.1';
const startTimeoutMs = 15_000;
const stopTimeoutMs = 5_000;
const probeTimeoutMs = 500;

/** HAProxy by deploy/haproxy/postgres.cfg: one address of the primary, one of its standbys. */
export class PatroniProxy {
  private constructor(
    readonly primaryPort: number,
    readonly replicaPort: number,
    private readonly statsPort: number,
    private readonly pid: number,
  ) {}

  static async start(
    folder: string,
    nodes: readonly [PatroniNode, PatroniNode],
    note: (line: string) => void,
  ): Promise<PatroniProxy> {
    const { program, libraryPath } = systemProgram('haproxy', stackHome(), note);
    const primaryPort = await findPort('the primary', [], note);
    const replicaPort = await findPort('the standbys', [], note);
    const statsPort = await findPort('HAProxy before PostgreSQL (operators)', [], note);
    const logFile = join(folder, 'haproxy.log');
    const child = await startServer({
      program: 'setpriv',
      args: ['--pdeathsig', 'KILL', program, '-db', '-f', join(projectRoot(), 'deploy/haproxy/postgres.cfg')],
      cwd: folder,
      logFile,
      account: undefined,
      environment: {
        PRIMARY_BIND: `${host}:${primaryPort}`,
        REPLICA_BIND: `${host}:${replicaPort}`,
        STATS_BIND: `${host}:${statsPort}`,
        ...Object.fromEntries(
          nodes.flatMap(({ port, restPort }, n) => [
            [`NODE_${n + 1}`, `${host}:${port}`],
            [`NODE_${n + 1}_PATRONI_PORT`, String(restPort)],
          ]),
        ),
        ...(libraryPath === undefined ? {} : { LD_LIBRARY_PATH: libraryPath }),
      },
      lastSignal: 'SIGTERM',
    });
    const proxy = new PatroniProxy(primaryPort, replicaPort, statsPort, child.pid);
    await waitUntil(async () => child.exitCode !== null || (await proxy.#answers()), startTimeoutMs);
    if (child.exitCode === null && (await proxy.#answers())) return proxy;
    proxy.stopWithoutWaiting();
    throw new StackError(`HAProxy did not start before PostgreSQL:\n${logTail(logFile)}`);
  }

  async stop(): Promise<void> {
    await stopProcess(this.pid, [
      ['SIGTERM', stopTimeoutMs],
      ['SIGKILL', stopTimeoutMs],
    ]);
    for (const port of [this.primaryPort, this.replicaPort, this.statsPort]) giveBackPort(port);
  }

  stopWithoutWaiting(): void {
    signal(this.pid, 'SIGKILL');
  }

  async #answers(): Promise<boolean> {
    try {
      const answer = await fetch(`http://${host}:${this.statsPort}/healthz`, {
        signal: AbortSignal.timeout(probeTimeoutMs),
      });
      await answer.body?.cancel();
      return answer.ok;
    } catch {
      return false;
    }
  }
}
