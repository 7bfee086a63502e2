import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { FixedClock } from '#infra/kernel';
import { openTestDatabases, projectRoot, type TestDatabases, testCluster } from '#infra/testing';
import { NodePool } from './pool.js';
import type { PoolOptions } from './pool-settings.js';
import { ReplicaSet } from './replica-set.js';
import { WritePositions } from './write-positions.js';

const options: PoolOptions = {
  min: 0,
  max: 2,
  acquireTimeoutMs: 2_000,
  queueLimit: 10,
  idleTimeoutMs: 1_000,
  statementTimeoutMs: 300,
  applicationName: 'test',
};
const urlOf = (
  { host, port }: { readonly host: string; readonly port: number },
  { user, password }: { readonly user: string; readonly password: string },
) => `postgres://${user}:${encodeURIComponent(password)}@${host}:${port}/postgres`;
const open = (url: string, changed: Partial<PoolOptions> = {}) =>
  new NodePool(url, { ...options, ...changed }, () => undefined);
const outcome = (work: Promise<unknown>) => work.then(() => 'ok').catch((error: { code?: string }) => error.code);
const never = () => 'own' as const;

describe('where a user’s newest write stands', () => {
  it('is the greatest that was heard of, in whatever order, here and through Redis; elsewhere nobody wrote', async () => {
    const db = await openTestDatabases();
    try {
      const { tenant } = await db.newTenant();
      const [here, there] = [new WritePositions(db.redis), new WritePositions(db.redis)];
      for (const position of [20n, 10n]) await here.remember(tenant.id, 'user', 'shard-1', position);
      expect(await there.newest(tenant.id, 'user', 'shard-1')).toBe(20n);
      await there.remember(tenant.id, 'user', 'shard-1', 30n);
      expect(await here.newest(tenant.id, 'user', 'shard-1')).toBe(30n);
      for (const [user, shard] of [
        ['other', 'shard-1'],
        ['user', 'shard-2'],
      ] as const)
        expect(await here.newest(tenant.id, user, shard)).toBeNull();
      await db.redis.get('sessions').flushdb();
      expect(await here.newest(tenant.id, 'user', 'shard-1')).toBe(20n);
      await db.redis.close();
      expect(await here.newest(tenant.id, 'user', 'shard-1')).toBe('unknown');
    } finally {
      await db.close();
    }
  });
});

describe('connections to a server', () => {
  it('say unreachable, not exhausted, when nobody is there, however many ask at once', async () => {
    const pool = open('postgres://nobody@127.0.0.1:1/none', { max: 1 });
    const outcomes = await Promise.all(Array.from({ length: 5 }, () => outcome(pool.connect())));
    expect(new Set(outcomes)).toEqual(new Set(['database.unreachable']));
    await pool.end();
  });
});

describe('a primary and its replica', () => {
  const clock = new FixedClock(1_000_000);
  let db: TestDatabases;
  let set: ReplicaSet;
  let pools: readonly [NodePool, NodePool];
  beforeAll(async () => {
    db = await openTestDatabases();
    const { servers, replica } = testCluster();
    const [primary] = servers;
    if (!primary) throw new Error('no server');
    pools = [
      open(urlOf(primary, primary.superuser), { statementTimeoutMs: 5_000 }),
      open(urlOf(replica, primary.superuser)),
    ];
    set = new ReplicaSet(pools[0], [pools[1]], clock);
  });
  afterAll(async () => {
    await set?.end();
    await db?.close();
  });

  const onPrimary = async (sql: string) => {
    const client = await pools[0].connect();
    await client.query(sql).finally(() => client.release());
  };
  const inRotation = () => set.counts().replicas[0]?.inRotation;
  /** Polls, a second of the clock apart, until the replica is in rotation; `pauseMs` lets it replay. */
  const untilInRotation = async () => {
    for (let n = 0; n < 50 && !inRotation(); n += 1) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      clock.advance(1_000);
      await set.poll();
    }
  };

  it('needs two good polls in a row before it answers', async () => {
    await set.poll();
    expect(inRotation()).toBe(false);
    expect(await set.onReplica(async () => 'answer', never)).toBeUndefined();
    await untilInRotation();
    expect(await set.onReplica(async () => 'answer', never)).toEqual({ value: 'answer' });
  });

  it('goes on where the log of an idle primary ends at the border of a page', async () => {
    await untilInRotation();
    await onPrimary('select pg_switch_wal()');
    await new Promise((resolve) => setTimeout(resolve, 300));
    for (let n = 0; n < 8; n += 1) {
      // Each poll writes a beat, which the replica needs a moment to replay.
      await new Promise((resolve) => setTimeout(resolve, 100));
      clock.advance(1_000);
      await set.poll();
    }
    expect(inRotation()).toBe(true);
  });

  it('leaves rotation when it stands still for more than 5 s, and comes back after it has caught up', async () => {
    await untilInRotation();
    await db.freezeReplica();
    try {
      await onPrimary('create table nudge (); drop table nudge');
      await set.poll();
      clock.advance(4_000);
      await set.poll();
      expect(inRotation()).toBe(true);
      clock.advance(2_000);
      await set.poll();
      expect(inRotation()).toBe(false);
    } finally {
      await db.thawReplica();
    }
    await untilInRotation();
    expect(inRotation()).toBe(true);
  });

  it('leaves rotation at once when a read finds it broken, and stays when the read itself was wrong', async () => {
    await untilInRotation();
    const failing = async () => {
      throw new Error('no');
    };
    await expect(set.onReplica(failing, never)).rejects.toThrow('no');
    expect(await set.onReplica(failing, () => 'behind')).toBeUndefined();
    expect(inRotation()).toBe(true);
    expect(await set.onReplica(failing, () => 'broken')).toBeUndefined();
    expect(inRotation()).toBe(false);
  });

  it('gives up a server that does not even cancel, and takes it for dead', async () => {
    await untilInRotation();
    const client = await pools[1].connect();
    const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid');
    const pid = rows[0]?.pid ?? 0;
    process.kill(pid, 'SIGSTOP');
    try {
      await expect(client.query('select 1')).rejects.toThrow('Query read timeout');
    } finally {
      process.kill(pid, 'SIGCONT');
      client.release(true);
    }
    expect(pools[1].counts().total).toBeLessThan(2);
  });
});

describe('a primary with a heartbeat', () => {
  const clock = new FixedClock(2_000_000_000_000);
  let db: TestDatabases;
  const sets: ReplicaSet[] = [];
  /** What one process has: pools and a memory of its own. */
  const newProcess = (multiplier = 1): ReplicaSet => {
    const [primary, replica] = [db.env.SHARD_1_URL, db.env.SHARD_1_REPLICAS].map((url) =>
      open(url ?? '', { statementTimeoutMs: 5_000 }),
    ) as [NodePool, NodePool];
    const set = new ReplicaSet(primary, [replica], clock, 'power-of-two', multiplier);
    sets.push(set);
    return set;
  };
  const stateOf = (set: ReplicaSet) => set.counts().replicas[0];
  /** Polls a second of the clock apart until the replica has replayed a beat of this second and is in rotation. */
  const caughtUp = async (set: ReplicaSet) => {
    for (let n = 0; n < 100; n += 1) {
      clock.advance(1_000);
      await set.poll();
      await new Promise((resolve) => setTimeout(resolve, 20));
      const [row] = await db.asReadOnly<{ at: Date }>('shard-1', 'select beat_at as at from replica_heartbeat');
      if (stateOf(set)?.inRotation && row?.at.getTime() === clock.now() && (await hasReplayed(set))) return;
    }
    throw new Error('the replica does not catch up');
  };
  /** Whether the replica has all that the primary had when this was asked. */
  const hasReplayed = async (set: ReplicaSet): Promise<boolean> => {
    const [row] = await db.asAdmin<{ at: string }>('shard-1', 'select pg_current_wal_flush_lsn() as at');
    const client = await set.replicas[0]?.connect();
    const answer = await client?.query('select pg_last_wal_replay_lsn() >= $1 as it_has', [row?.at]);
    client?.release();
    return answer?.rows[0]?.it_has === true;
  };
  const nudge = () => db.asAdmin('shard-1', 'create table nudge (); drop table nudge');
  beforeAll(async () => {
    db = await openTestDatabases();
  });
  afterEach(() => db.thawReplica());
  afterAll(async () => {
    await Promise.all(sets.map((set) => set.end()));
    await db?.close();
  });

  it('tells a process that has just begun how old the past is that a replica stands at', async () => {
    const old = newProcess();
    await caughtUp(old);
    await db.freezeReplica();
    for (let n = 0; n < 3; n += 1) {
      clock.advance(1_000);
      await nudge();
      await old.poll();
    }
    const young = newProcess();
    await young.poll();
    expect(stateOf(young)).toMatchObject({ lagMs: 3_000, inRotation: false });
    await young.poll();
    expect(stateOf(young)?.inRotation).toBe(true);
    clock.advance(2_001);
    await young.poll();
    expect(stateOf(young)?.inRotation).toBe(false);
    const youngest = newProcess();
    for (let n = 0; n < 3; n += 1) await youngest.poll();
    expect(stateOf(youngest)).toMatchObject({ lagMs: 5_001, inRotation: false });
  });

  it('[E-112] loses a replica that lags more than 5 s within two polls, and somebody is told', async () => {
    const set = newProcess();
    await caughtUp(set);
    await db.freezeReplica();
    await nudge();
    for (let n = 0; n < 5; n += 1) {
      clock.advance(1_000);
      await set.poll();
    }
    expect(stateOf(set)).toMatchObject({ inRotation: true });
    clock.advance(1_001);
    for (let n = 0; n < 2; n += 1) await set.poll();
    expect(stateOf(set)?.lagMs).toBeGreaterThan(5_000);
    expect(stateOf(set)?.inRotation).toBe(false);
    const rules = readFileSync(join(projectRoot(), 'deploy/prometheus/rules.yml'), 'utf8');
    expect(rules).toMatch(/- alert: ReplicaLag\n\s+expr: praxis:replica_lag_seconds > 5\n\s+for: 1m\n/);
    expect(rules).toMatch(
      /record: praxis:replica_lag_seconds\n\s+expr: max by \(shard, role\) \(db_replica_lag_seconds\)/,
    );
  });

  it('does not make a replica of an idle primary look late, however long nobody wrote', async () => {
    const set = newProcess();
    await caughtUp(set);
    await hasReplayed(set);
    clock.advance(3_600_000);
    await set.poll();
    expect(stateOf(set)).toMatchObject({ lagMs: 0, inRotation: true });
  });

  it('is written once a second, however many processes ask', async () => {
    const processes = Array.from({ length: 4 }, () => newProcess());
    const beats = async () => Number((await db.asAdmin<{ n: string }>('shard-1', counted))[0]?.n);
    const counted = `select n from beats`;
    await db.asAdmin(
      'shard-1',
      `create table beats (n int); insert into beats values (0); grant update, select on beats to praxis_app;
       create function count_beat() returns trigger language plpgsql as $$ begin update beats set n = n + 1; return new; end $$;
       create trigger count_beat after update on replica_heartbeat for each row execute function count_beat()`,
    );
    for (let second = 1; second <= 5; second += 1) {
      clock.advance(1_000);
      for (let n = 0; n < 3; n += 1) await Promise.all(processes.map((set) => set.poll()));
      expect(await beats()).toBe(second);
    }
    await db.asAdmin('shard-1', 'drop trigger count_beat on replica_heartbeat; drop table beats');
  });

  it('lets operators keep late replicas in rotation, for one process at its start and for all while they run', async () => {
    const [usual, generous] = [newProcess(), newProcess(3)];
    for (const set of [usual, generous]) await caughtUp(set);
    await caughtUp(usual);
    await generous.poll();
    await db.freezeReplica();
    await nudge();
    for (const set of [usual, generous]) await set.poll();
    clock.advance(12_000);
    for (const set of [usual, generous]) await set.poll();
    expect([usual, generous].map((set) => stateOf(set)?.inRotation)).toEqual([false, true]);
    await db.asAdmin('shard-1', 'update replica_heartbeat set lag_multiplier = 10');
    for (let n = 0; n < 2; n += 1) await usual.poll();
    expect(stateOf(usual)?.inRotation).toBe(true);
    await db.asAdmin('shard-1', 'update replica_heartbeat set lag_multiplier = 1');
    await usual.poll();
    expect(stateOf(usual)?.inRotation).toBe(false);
  });

  it('can be without it: then positions alone tell, as in a database that never had one', async () => {
    await db.asAdmin('shard-1', 'alter table replica_heartbeat rename to gone');
    const set = newProcess();
    for (let n = 0; n < 100 && !stateOf(set)?.inRotation; n += 1) {
      clock.advance(1_000);
      await set.poll();
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(stateOf(set)?.inRotation).toBe(true);
    await db.freezeReplica();
    await nudge();
    await set.poll();
    clock.advance(5_001);
    await set.poll();
    expect(stateOf(set)).toMatchObject({ lagMs: 5_001, inRotation: false });
    await db.asAdmin('shard-1', 'alter table gone rename to replica_heartbeat');
  });
});

describe('three replicas', () => {
  const clock = new FixedClock(1_000_000);
  let set: ReplicaSet;
  let pools: readonly NodePool[];
  beforeAll(async () => {
    const { servers, replica } = testCluster();
    const [primary] = servers;
    if (!primary) throw new Error('no server');
    const urls = [primary, replica, replica, replica].map((server) => urlOf(server, primary.superuser));
    pools = urls.map((url, n) => open(url, { max: 4, applicationName: `node-${n}` }));
    const [first, ...others] = pools as [NodePool, ...NodePool[]];
    set = new ReplicaSet(first, others, clock, 'round-robin');
    for (let n = 0; n < 50 && !set.counts().replicas.every(({ inRotation }) => inRotation); n += 1) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      clock.advance(1_000);
      await set.poll();
    }
  });
  afterAll(() => set?.end());

  const answeredBy = async (reads: number) => {
    const counts = new Map<NodePool, number>();
    for (let n = 0; n < reads; n += 1)
      await set.onReplica(async (pool) => counts.set(pool, (counts.get(pool) ?? 0) + 1), never);
    return pools.slice(1).map((pool) => counts.get(pool) ?? 0);
  };

  it('[E-056, E-098, D-025] take turns, and one that is removed is skipped', async () => {
    expect(await answeredBy(90)).toEqual([30, 30, 30]);
    const broken = async () => {
      throw new Error('no');
    };
    await set.onReplica(broken, () => 'broken');
    const counts = (await answeredBy(90)).sort((a, b) => a - b);
    expect(counts).toEqual([0, 45, 45]);
  });

  it('have pools of their own, counted apart from the primary’s', async () => {
    const held = await pools[1]?.connect();
    const { primary, replicas } = set.counts();
    expect(primary.total - primary.idle).toBe(0);
    expect(replicas.map(({ total, idle }) => total - idle)).toEqual([1, 0, 0]);
    held?.release();
  });
});

describe('reads that the primary answers because no replica does', () => {
  it('take half of its connections and leave the rest to writes', async () => {
    const { servers } = testCluster();
    const [primary] = servers;
    if (!primary) throw new Error('no server');
    const own = open(urlOf(primary, primary.superuser), { max: 4 });
    const set = new ReplicaSet(own, [open('postgres://nobody@127.0.0.1:1/none')], new FixedClock(0));
    let [inside, most] = [0, 0];
    const read = () =>
      set.instead(async (pool) => {
        const client = await pool.connect();
        inside += 1;
        most = Math.max(most, inside);
        await client.query('select pg_sleep(0.02)').finally(() => client.release());
        inside -= 1;
      });
    await Promise.all(Array.from({ length: 10 }, read));
    expect(most).toBe(2);
    await set.end();
  });
});

describe('a replica that refuses connections when the process starts', () => {
  it('leaves every read to the primary, with no error', async () => {
    const { servers } = testCluster();
    const [primary] = servers;
    if (!primary) throw new Error('no server');
    const away = [1, 2].map(() => open('postgres://nobody@127.0.0.1:1/none', { min: 2 }));
    const set = new ReplicaSet(open(urlOf(primary, primary.superuser), { min: 1 }), away, new FixedClock(0));
    set.start();
    await set.poll();
    for (let n = 0; n < 20; n += 1) {
      expect(await set.onReplica(async () => 'replica', never)).toBeUndefined();
      expect(await set.instead(async () => 'primary')).toBe('primary');
    }
    await set.end();
  });
});
