import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { systemClock } from '#infra/kernel';
import { newPassword } from './cluster-state.js';
import { type HomeLock, lockHome } from './home-lock.js';
import { onPort } from './on-port.js';
import { makeHome, projectRoot, StackError, stackHome } from './places.js';
import { giveBackPortWithBus } from './ports.js';
import type { Durability } from './postgres-settings.js';
import { RedisServer } from './redis-server.js';
import { systemProgram } from './system-program.js';
import { removeHome, temporaryHome } from './temporary-home.js';

type Environment = Readonly<Record<string, string>>;

export interface RedisClusterPlan {
  /** Folder of the nodes' data; whoever owns it holds its lock. */
  readonly home: string;
  readonly password: string;
  readonly durability: Durability;
  /** Ports of the six nodes to take when they are free, as are those of their buses, 10,000 above. */
  readonly ports?: readonly number[];
  readonly note?: (line: string) => void;
}

const nodeCount = 6;
const nodeTimeoutMs = 2_000;
const makeTimeoutMs = 90_000;
const askTimeoutMs = 5_000;
const run = promisify(execFile);

/** Three primaries and three replicas on loopback, joined by the script that production uses. */
export class RedisCluster {
  readonly #nodes: RedisServer[];
  #stopped = false;
  #onceGone: () => void = () => {};

  private constructor(
    private readonly plan: RedisClusterPlan,
    nodes: readonly RedisServer[],
  ) {
    this.#nodes = [...nodes];
  }

  static async start(plan: RedisClusterPlan): Promise<RedisCluster> {
    const note = plan.note ?? (() => {});
    const outcomes = await Promise.allSettled(
      Array.from({ length: nodeCount }, (_, n) =>
        onPort({ what: `Redis node ${n + 1}`, preferred: [plan.ports?.[n]], note, withBus: true }, (port) =>
          startNode(plan, n, port),
        ),
      ),
    );
    const failed = outcomes.find((outcome) => outcome.status === 'rejected');
    const nodes = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
    const cluster = new RedisCluster(plan, nodes);
    try {
      if (failed !== undefined) throw failed.reason;
      await cluster.join();
      return cluster;
    } catch (error) {
      await cluster.stop();
      throw error;
    }
  }

  /** In a folder of its own, on free ports; `stop()` removes everything. */
  static async startTemporary(): Promise<RedisCluster> {
    const home = await temporaryHome(systemClock.now());
    let lock: HomeLock | undefined;
    const forget = () => {
      lock?.release();
      removeHome(home);
    };
    try {
      makeHome(home);
      const held = lockHome(home);
      if ('heldBy' in held) throw new StackError(`process ${held.heldBy} took ${home}`);
      lock = held;
      const cluster = await RedisCluster.start({ home, password: newPassword(), durability: 'fast' });
      cluster.#onceGone = forget;
      return cluster;
    } catch (error) {
      forget();
      throw error;
    }
  }

  /** At first, 1 to 3 are primaries and 4 to 6 replicas; after a failover `primaries` knows. */
  get nodes(): readonly RedisServer[] {
    return this.#nodes;
  }

  /** For the environment of an app, or of the script that made the cluster. */
  get env(): Environment {
    return {
      REDIS_CLUSTER_NODES: this.#nodes.map(({ host, port }) => `${host}:${port}`).join(','),
      REDIS_PASSWORD: this.plan.password,
    };
  }

  /** What a node answers, as `redis-cli` prints it. */
  async ask(n: number, ...words: readonly string[]): Promise<string> {
    const { port } = this.node(n);
    const { program, environment } = redisCli();
    const { stdout } = await run(program, ['-p', String(port), ...words], {
      env: { ...environment, REDISCLI_AUTH: this.plan.password },
      timeout: askTimeoutMs,
    });
    return stdout.trim();
  }

  /** Indexes of the nodes that are primaries in the eyes of node `n`, and not failed. */
  async primaries(n = 0): Promise<readonly number[]> {
    const lines = (await this.ask(n, 'CLUSTER', 'NODES')).split('\n').map((line) => line.split(' '));
    const ports = lines
      .filter(([, , flags = '']) => flags.includes('master') && !flags.includes('fail'))
      .map(([, address = '']) => Number(/:(\d+)@/.exec(address)?.[1]));
    return this.#nodes.flatMap(({ port }, index) => (ports.includes(port) ? [index] : []));
  }

  /** Index of the primary that holds the key, in the eyes of node `n`. */
  async primaryOf(key: string, n = 0): Promise<number> {
    const slot = Number(await this.ask(n, 'CLUSTER', 'KEYSLOT', key));
    for (const line of (await this.ask(n, 'CLUSTER', 'NODES')).split('\n')) {
      const [, address = '', , , , , , , ...ranges] = line.split(' ');
      const holds = ranges.some((range) => {
        const [from = -1, to = from] = range.split('-').map(Number);
        return slot >= from && slot <= to;
      });
      if (holds) return this.#nodes.findIndex(({ port }) => address.includes(`:${port}@`));
    }
    throw new Error(`no node holds slot ${slot}`);
  }

  /** As a power cut would. Its replica takes over 2 to 4 s later. */
  async kill(n: number): Promise<void> {
    await this.node(n).kill();
  }

  /** Brings a killed node back, on its port. */
  async restart(n: number): Promise<void> {
    this.#nodes[n] = await startNode(this.plan, n, this.node(n).port);
  }

  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    try {
      const outcomes = await Promise.allSettled(this.#nodes.map((node) => node.stop()));
      const failed = outcomes.find((outcome) => outcome.status === 'rejected');
      if (failed !== undefined) throw failed.reason;
    } finally {
      this.giveBack();
    }
  }

  /** For the last moment of a process that cannot wait any more: signals only. */
  stopWithoutWaiting(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    for (const node of this.#nodes) node.stopWithoutWaiting();
    this.giveBack();
  }

  /** Runs deploy/redis-cluster-init.sh on these nodes; what it said. */
  async join(): Promise<string> {
    const { program, environment } = redisCli();
    const script = join(projectRoot(), 'deploy/redis-cluster-init.sh');
    try {
      const { stdout, stderr } = await run('sh', [script], {
        env: { PATH: process.env.PATH, ...environment, ...this.env, REDIS_CLI: program },
        timeout: makeTimeoutMs,
      });
      return `${stdout}${stderr}`;
    } catch (cause) {
      const { stdout = '', stderr = '' } = cause as { stdout?: string; stderr?: string };
      throw new StackError(`the Redis Cluster could not be made:\n${stdout}${stderr}`, { cause });
    }
  }

  private giveBack(): void {
    for (const { port } of this.#nodes) giveBackPortWithBus(port);
    this.#onceGone();
  }

  private node(n: number): RedisServer {
    const node = this.#nodes[n];
    if (node === undefined) throw new StackError(`there is no node ${n}`);
    return node;
  }
}

function redisCli(): { readonly program: string; readonly environment: Environment } {
  const { program, libraryPath } = systemProgram('redis-cli', stackHome(), () => {});
  return { program, environment: libraryPath === undefined ? {} : { LD_LIBRARY_PATH: libraryPath } };
}

function startNode(plan: RedisClusterPlan, n: number, port: number): Promise<RedisServer> {
  const settings = readFileSync(join(projectRoot(), 'deploy/redis/cluster.conf'), 'utf8');
  return RedisServer.start({
    binariesHome: stackHome(),
    dataDir: join(plan.home, `redis-node-${n + 1}`),
    port,
    password: plan.password,
    durability: plan.durability,
    settings: `${settings}\nmasterauth ${plan.password}\ncluster-node-timeout ${nodeTimeoutMs}\n`,
    note: plan.note ?? (() => {}),
  });
}
