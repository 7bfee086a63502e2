import { Cluster } from 'ioredis';
import { type Instant, monotonicMs } from '#infra/kernel';
import type { Metrics } from '#infra/telemetry';
import type { RedisConnection } from './connect.js';
import { settledWithin } from './lifecycle.js';
import type { RedisRole } from './roles.js';

const pollMs = 2_000;
const answerMaxMs = 1_000;
/** A node that nobody names any more is shown as down for so long, then not at all: it was taken out. */
const missedMaxMs = 600_000;
const nodesMax = 100;

interface Sighting {
  readonly role: RedisRole;
  readonly node: string;
  readonly isUp: boolean;
  readonly seenAt: Instant;
}

/** Asks every role in use each 2 s which of its servers are up: a single one by PING, a cluster what it says of its nodes. */
export class NodeWatch {
  readonly #sightings = new Map<string, Sighting>();
  #timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly metrics: Metrics,
    private readonly inUse: () => Iterable<readonly [RedisRole, RedisConnection]>,
  ) {
    metrics.observedGauge('redis_node_up', 'Whether a server of Redis can be used.', ['role', 'node'], () =>
      [...this.#sightings.values()].map(({ role, node, isUp }) => ({ labels: { role, node }, value: Number(isUp) })),
    );
  }

  /** Does nothing where no metric is recorded, and where it has begun already. */
  start(): void {
    if (this.#timer !== undefined || !this.metrics.enabled) return;
    this.#timer = setInterval(() => {
      for (const [role, connection] of this.inUse()) void this.#ask(role, connection);
    }, pollMs);
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** Never throws. */
  async #ask(role: RedisRole, connection: RedisConnection): Promise<void> {
    const asked = connection instanceof Cluster ? nodesOf(connection) : serverOf(connection);
    const answer = await settledWithin(asked, answerMaxMs);
    const found = answer.status === 'fulfilled' ? answer.value : new Map<string, boolean>();
    const now = monotonicMs();
    for (const [node, isUp] of found) this.#keep({ role, node, isUp, seenAt: now });
    for (const sighting of [...this.#sightings.values()]) {
      if (sighting.role !== role || found.has(sighting.node)) continue;
      if (now - sighting.seenAt > missedMaxMs) this.#sightings.delete(keyOf(sighting));
      else this.#keep({ ...sighting, isUp: false });
    }
  }

  #keep(sighting: Sighting): void {
    const key = keyOf(sighting);
    if (this.#sightings.has(key) || this.#sightings.size < nodesMax) this.#sightings.set(key, sighting);
  }
}

const keyOf = ({ role, node }: Pick<Sighting, 'role' | 'node'>): string => `${role} ${node}`;

async function serverOf(connection: Exclude<RedisConnection, Cluster>): Promise<ReadonlyMap<string, boolean>> {
  const { host, port } = connection.options;
  const pinged = await settledWithin(connection.ping(), answerMaxMs / 2);
  return new Map([[`${host}:${port}`, pinged.status === 'fulfilled']]);
}

/** By the first primary that answers; rejects when none does. */
async function nodesOf(cluster: Cluster): Promise<ReadonlyMap<string, boolean>> {
  const told = cluster.nodes('master').filter(({ status }) => status === 'ready');
  const answer = await Promise.any(told.map((node) => node.cluster('NODES')));
  return nodesIn(String(answer));
}

/** Reads the answer of CLUSTER NODES: `<id> <host:port@bus[,name]> <flags> …`, a line for each node. */
export function nodesIn(answer: string): ReadonlyMap<string, boolean> {
  const nodes = answer.split('\n').flatMap((line) => {
    const [, address = '', flagText = ''] = line.split(' ');
    const flags = flagText.split(',');
    const isUp = !flags.includes('fail') && !flags.includes('fail?');
    return address === '' || flags.includes('noaddr') ? [] : [[address.split('@', 1)[0] ?? '', isUp] as const];
  });
  return new Map(nodes);
}
