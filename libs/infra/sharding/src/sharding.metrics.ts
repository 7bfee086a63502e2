import { type Instant, monotonicMs } from '#infra/kernel';
import type { PoolCounts } from '#infra/replicas';
import type { Metrics, Reading } from '#infra/telemetry';
import type { Databases, PoolWatch } from './databases.js';

type PoolLabel = 'shard' | 'role' | 'state';

interface Probes {
  /** When each one that has no answer yet began. */
  readonly open: Set<{ readonly at: Instant }>;
  lastMs: number | undefined;
  isUp: boolean;
}

/** What the databases of this process leave in the metrics: pools, lag of replicas, and how they answer when asked. */
export class DatabaseMetrics {
  readonly #probes = new Map<string, Probes>();

  constructor(
    metrics: Metrics,
    private readonly databases: Pick<Databases, 'counts' | 'watchPools'>,
  ) {
    metrics.observedGauge('db_pool_connections', 'Connections of a pool.', ['shard', 'role', 'state'], () =>
      this.#pools().flatMap(([shard, role, counts]) => statesOf(shard, role, counts)),
    );
    metrics.observedGauge('db_pool_connections_max', 'Most connections of a pool.', ['shard', 'role'], () =>
      this.#pools().map(([shard, role, { max }]) => ({ labels: { shard, role }, value: max })),
    );
    databases.watchPools(newsIn(metrics));
    metrics.observedGauge(
      'db_replica_lag_seconds',
      'Age of what a replica lacks.',
      ['shard', 'role'],
      () => this.#lags(),
      'max',
    );
    metrics.observedGauge(
      'db_replica_in_rotation',
      'Whether a replica gets reads.',
      ['shard', 'role'],
      () => this.#rotation(),
      'min',
    );
    metrics.observedGauge(
      'db_up',
      'Whether the primary answered when last asked.',
      ['shard'],
      () => [...this.#probes].map(([shard, { isUp }]) => ({ labels: { shard }, value: Number(isUp) })),
      'min',
    );
    metrics.observedGauge(
      'db_probe_seconds',
      'Time of an empty transaction, of connecting too.',
      ['shard'],
      () => [...this.#probes].flatMap(([shard, probes]) => readingOf(shard, probes)),
      'max',
    );
  }

  /** Times a question to a database's primary. One that has no answer yet counts for as long as it waits. */
  async probe<T>(database: string, ask: () => Promise<T>): Promise<T> {
    const probes = this.#of(database);
    const started = { at: monotonicMs() };
    probes.open.add(started);
    try {
      const answer = await ask();
      Object.assign(probes, { isUp: true, lastMs: monotonicMs() - started.at });
      return answer;
    } catch (error) {
      probes.isUp = false;
      throw error;
    } finally {
      probes.open.delete(started);
    }
  }

  #of(database: string): Probes {
    const known = this.#probes.get(database);
    if (known !== undefined) return known;
    const made: Probes = { open: new Set(), lastMs: undefined, isUp: true };
    this.#probes.set(database, made);
    return made;
  }

  #pools(): readonly (readonly [shard: string, role: string, counts: PoolCounts])[] {
    return Object.entries(this.databases.counts()).flatMap(([shard, { primary, replicas }]) => [
      [shard, 'primary', primary] as const,
      ...replicas.map((counts, n) => [shard, replicaRole(n), counts] as const),
    ]);
  }

  #lags(): readonly Reading<'shard' | 'role'>[] {
    return Object.entries(this.databases.counts()).flatMap(([shard, { replicas }]) =>
      replicas.flatMap(({ lagMs }, n) =>
        lagMs === undefined ? [] : [{ labels: { shard, role: replicaRole(n) }, value: lagMs / 1_000 }],
      ),
    );
  }

  #rotation(): readonly Reading<'shard' | 'role'>[] {
    return Object.entries(this.databases.counts()).flatMap(([shard, { replicas }]) =>
      replicas.map(({ inRotation }, n) => ({ labels: { shard, role: replicaRole(n) }, value: Number(inRotation) })),
    );
  }
}

/** How long connections were waited for, and how they came and went. */
function newsIn(metrics: Metrics): PoolWatch {
  const acquired = metrics.histogram('db_pool_acquire_seconds', 'Wait for a connection.', ['shard', 'role']);
  const opened = metrics.counter('db_pool_opened_total', 'Connections opened.', ['shard', 'role']);
  const closed = metrics.counter('db_pool_closed_total', 'Connections closed.', ['shard', 'role', 'reason']);
  return (shard, role) => ({
    acquired: (waitedMs) => acquired.observe({ shard, role }, waitedMs / 1_000),
    opened: () => opened.inc({ shard, role }),
    closed: (reason) => closed.inc({ shard, role, reason }),
  });
}

const replicaRole = (n: number): string => `replica-${n + 1}`;

function statesOf(shard: string, role: string, { total, idle, waiting }: PoolCounts): readonly Reading<PoolLabel>[] {
  const states = { active: total - idle, idle, waiting };
  return Object.entries(states).map(([state, value]) => ({ labels: { shard, role, state }, value }));
}

function readingOf(shard: string, { open, lastMs }: Probes): readonly Reading<'shard'>[] {
  const now = monotonicMs();
  const longestMs = Math.max(lastMs ?? 0, ...[...open].map(({ at }) => now - at));
  return lastMs === undefined && open.size === 0 ? [] : [{ labels: { shard }, value: longestMs / 1_000 }];
}
