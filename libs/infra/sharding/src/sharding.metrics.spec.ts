import { createLog, Metrics } from '#infra/telemetry';
import { DatabaseMetrics } from './sharding.metrics.js';

const identity = { app: 'api', version: '0' };
const counts = {
  directory: { primary: { max: 20, total: 5, idle: 5, waiting: 0 }, replicas: [] },
  'shard-1': {
    primary: { max: 20, total: 12, idle: 3, waiting: 4 },
    replicas: [
      { max: 30, total: 10, idle: 9, waiting: 0, inRotation: true, lagMs: 1_500 },
      { max: 30, total: 0, idle: 0, waiting: 0, inRotation: false, lagMs: undefined },
    ],
  },
};

function start() {
  const log = createLog({ level: 'silent', service: 'praxis' }, identity);
  const metrics = new Metrics({ config: { monitoring: true, service: 'praxis' }, identity, log });
  const databases = new DatabaseMetrics(metrics, { counts: () => counts, watchPools: () => undefined });
  const series = async (name: string) =>
    (await metrics.expose()).body.split('\n').filter((line) => line.startsWith(`${name}{`));
  return { databases, series };
}

describe('metrics of databases', () => {
  it('[A-070, C-111, D-027] count connections in use, idle and waited for, of each shard and role', async () => {
    const { series } = start();
    expect(await series('db_pool_connections')).toEqual([
      'db_pool_connections{shard="directory",role="primary",state="active"} 0',
      'db_pool_connections{shard="directory",role="primary",state="idle"} 5',
      'db_pool_connections{shard="directory",role="primary",state="waiting"} 0',
      'db_pool_connections{shard="shard-1",role="primary",state="active"} 9',
      'db_pool_connections{shard="shard-1",role="primary",state="idle"} 3',
      'db_pool_connections{shard="shard-1",role="primary",state="waiting"} 4',
      'db_pool_connections{shard="shard-1",role="replica-1",state="active"} 1',
      'db_pool_connections{shard="shard-1",role="replica-1",state="idle"} 9',
      'db_pool_connections{shard="shard-1",role="replica-1",state="waiting"} 0',
      'db_pool_connections{shard="shard-1",role="replica-2",state="active"} 0',
      'db_pool_connections{shard="shard-1",role="replica-2",state="idle"} 0',
      'db_pool_connections{shard="shard-1",role="replica-2",state="waiting"} 0',
    ]);
    expect(await series('db_pool_connections_max')).toContain(
      'db_pool_connections_max{shard="shard-1",role="primary"} 20',
    );
  });

  it('say how far a replica is behind, once that was measured', async () => {
    const { series } = start();
    expect(await series('db_replica_lag_seconds')).toEqual([
      'db_replica_lag_seconds{shard="shard-1",role="replica-1"} 1.5',
    ]);
  });

  it('say which replicas get reads', async () => {
    const { series } = start();
    expect(await series('db_replica_in_rotation')).toEqual([
      'db_replica_in_rotation{shard="shard-1",role="replica-1"} 1',
      'db_replica_in_rotation{shard="shard-1",role="replica-2"} 0',
    ]);
  });

  it('say how long a database took to answer, and how long one that does not answer is waited for', async () => {
    const { databases, series } = start();
    const secondsOf = async () => Number((await series('db_probe_seconds'))[0]?.split(' ')[1]);
    expect(await series('db_probe_seconds')).toEqual([]);
    await databases.probe('shard-1', async () => undefined);
    const answered = await secondsOf();
    expect(answered).toBeLessThan(0.05);
    let answer = () => {};
    const waiting = databases.probe('shard-1', () => new Promise<void>((resolve) => (answer = resolve)));
    await new Promise((resolve) => setTimeout(resolve, 60));
    expect(await secondsOf()).toBeGreaterThan(0.05);
    answer();
    await waiting;
    expect(await secondsOf()).toBeGreaterThan(0.05);
    expect(await series('db_up')).toEqual(['db_up{shard="shard-1"} 1']);
    const failing = databases.probe('shard-1', () => Promise.reject(new Error('refused')));
    await expect(failing).rejects.toThrow('refused');
    expect(await series('db_up')).toEqual(['db_up{shard="shard-1"} 0']);
  });
});
