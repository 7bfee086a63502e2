import { setTimeout as sleep } from 'node:timers/promises';
import { isAppError, newId, type TenantContext } from '#infra/kernel';
import {
  coordinatesOf,
  LocalCluster,
  openTestDatabases,
  PostgresServer,
  promote,
  stackHome,
  type TestDatabases,
  waitUntil,
} from '#infra/testing';
import { TcpForwarder } from '../test/tcp-forwarder.js';
import type { WriteContext } from './db.js';

const patienceMs = 20_000;
const resumeWithinMs = 30_000;
let cluster: LocalCluster;
let primary: PostgresServer;
let standby: PostgresServer;
let address: TcpForwarder;
let db: TestDatabases;
let ctx: TenantContext;

/** Both directory and shard 1 are reached through one address, behind which the primary may be exchanged. */
beforeAll(async () => {
  cluster = await LocalCluster.startTemporary({ servers: 2, replica: true, redis: true, durable: true });
  [primary, standby] = [cluster.servers[0] as PostgresServer, cluster.replica as PostgresServer];
  await primary.asSuperuser(async (client) => {
    await client.query(`alter system set synchronous_standby_names = '*'`);
    await client.query('select pg_reload_conf()');
  });
  address = await TcpForwarder.start(primary.port);
  const found = coordinatesOf(cluster);
  const servers = found.servers.map((server, n) => (n === 0 ? { ...server, port: address.port } : server));
  db = await openTestDatabases({ cluster: { ...found, servers } });
  await db.sharding.onApplicationBootstrap();
  ctx = { ...(await db.newTenant({ shardId: 'shard-1' })), deadline: db.clock.now() + 300_000 };
}, 120_000);
afterAll(async () => {
  await db?.sharding.onApplicationShutdown();
  await db?.redis.close();
  await address?.stop();
  await cluster?.stop();
}, 60_000);

const insert = `insert into outbox (tenant_id, id, kind, name, key, payload, request_id, created_at, next_at)
                values ($1, $2, 'fact', 'test', $3, '{}', 'r', '2026-01-01', '2026-01-01')`;
const put = async (tx: WriteContext, key: string) => tx.db.execute(insert, [tx.tenant.id, newId(), key]);
const write = (key: string) => db.sharding.write(ctx, (tx) => put(tx, key));
const keyed = (key: string): TenantContext => ({
  ...ctx,
  idempotency: { key, route: 'POST /test', fingerprint: Buffer.from(key), outcome: 'unused' },
});
const breakerOf = (database: string) =>
  db.sharding.nodes.find((node) => node.database === database && node.role === 'primary')?.breaker;
const shardName = () => new URL(db.env.SHARD_1_URL as string).pathname.slice(1);
/** What one server has, past the address. */
const rowsOn = (server: PostgresServer): Promise<{ id: string; key: string }[]> =>
  server.asSuperuser(async (client) => {
    const asked = client.query<{ id: string; key: string }>('select id, key from outbox where tenant_id = $1', [
      ctx.tenant.id,
    ]);
    return (await asked).rows;
  }, shardName());
/** Each as often as it is there. */
const keysOn = async (server: PostgresServer): Promise<string[]> => (await rowsOn(server)).map(({ key }) => key);

describe('a primary whose connections break', () => {
  it('gets a write again that it had not committed, whole, and what follows the commit follows it once', async () => {
    let [runs, hooks] = [0, 0];
    await db.sharding.write(ctx, async (tx) => {
      tx.afterCommit(() => {
        hooks += 1;
      });
      await put(tx, 'broken off');
      runs += 1;
      if (runs > 1) return;
      address.leadTo(primary.port);
      await tx.db.query('select 1');
    });
    expect([runs, hooks]).toEqual([2, 1]);
    expect(await keysOn(primary)).toEqual(['broken off']);
  });

  it('gets a read again, and one that breaks its connection each time only once', async () => {
    let runs = 0;
    const reading = db.sharding.read(ctx, async (tx) => {
      runs += 1;
      await tx.db.query('select 1');
      address.leadTo(primary.port);
      return tx.db.query('select 2');
    });
    await expect(reading).rejects.toMatchObject({ code: 'shard.unavailable' });
    expect(runs).toBe(2);
  });

  it('tells by the Idempotency-Key what became of a commit whose answer was lost, and does not do it twice', async () => {
    const request = keyed('answer lost');
    let runs = 0;
    const answer = db.sharding.writeOnce(request, async (tx) => {
      runs += 1;
      await put(tx, 'answer lost');
      address.mute();
      return { visit: runs };
    });
    expect(await waitUntil(async () => (await keysOn(primary)).includes('answer lost'), patienceMs)).toBe(true);
    address.leadTo(primary.port);
    expect(await answer).toEqual({ visit: 1 });
    expect([runs, request.idempotency?.outcome]).toEqual([1, 'replayed']);
    expect((await keysOn(primary)).filter((key) => key === 'answer lost')).toHaveLength(1);
  });

  it('leaves a commit in doubt that has no such key', async () => {
    const doubtful = db.sharding.write(ctx, async (tx) => {
      await put(tx, 'nobody knows');
      address.mute();
    });
    expect(await waitUntil(async () => (await keysOn(primary)).includes('nobody knows'), patienceMs)).toBe(true);
    address.leadTo(primary.port);
    await expect(doubtful).rejects.toMatchObject({ code: 'database.in_doubt' });
  });

  it('makes the standby have what a replayed answer acknowledges', async () => {
    const positionOf = () =>
      primary.asSuperuser(async (client) => {
        const { rows } = await client.query<{ at: string }>('select pg_current_wal_lsn() - $1 as at', ['0/0']);
        return Number(rows[0]?.at);
      });
    await db.sharding.writeOnce(keyed('twice'), async (tx) => put(tx, 'twice'));
    const before = await positionOf();
    const again = keyed('twice');
    await db.sharding.writeOnce(again, async () => 0);
    expect(again.idempotency?.outcome).toBe('replayed');
    expect(await positionOf()).toBeGreaterThan(before);
  });
});

describe('an address that leads to a standby', () => {
  it('is refused for reads of the primary as well, opens the breaker, and writes go on when it leads back', async () => {
    await write('before');
    address.leadTo(standby.port);
    const reading = db.sharding.read(ctx, (tx) => tx.db.query('select key from outbox'));
    await expect(reading).rejects.toMatchObject({ code: 'shard.unavailable', kind: 'unavailable' });
    expect(breakerOf('shard-1')).toBe('open');
    await expect(write('refused at once')).rejects.toMatchObject({ code: 'shard.unavailable' });
    expect((await rowsOn(standby)).map(({ key }) => key)).not.toContain('refused at once');
    address.leadTo(primary.port);
    expect(await waitUntil(() => breakerOf('shard-1') === 'closed', patienceMs)).toBe(true);
    await write('after');
    expect(await keysOn(primary)).not.toContain('refused at once');
  }, 60_000);
});

/** Clients that repeat, as the API's do, what was not answered, with the same key. */
class Clients {
  readonly acknowledged: { readonly key: string; readonly at: number }[] = [];
  readonly unexpected: unknown[] = [];
  #working = true;
  readonly #done: Promise<unknown>;

  constructor(count: number) {
    this.#done = Promise.all(Array.from({ length: count }, (_, n) => this.#work(n)));
  }

  async stop(): Promise<void> {
    this.#working = false;
    await this.#done;
  }

  async #work(client: number): Promise<void> {
    for (let n = 0; this.#working; n += 1) {
      const key = `client ${client}, ${n}`;
      while (this.#working && !(await this.#asked(key))) await sleep(50);
      await sleep(5);
    }
  }

  async #asked(key: string): Promise<boolean> {
    try {
      await db.sharding.writeOnce(keyed(key), (tx) => put(tx, key));
      this.acknowledged.push({ key, at: performance.now() });
      return true;
    } catch (error) {
      const asksAgain = isAppError(error) && (error.kind === 'unavailable' || error.code === 'idempotency.in_progress');
      if (!asksAgain) this.unexpected.push(error);
      return false;
    }
  }
}

describe('a primary that is killed, with a synchronous standby', () => {
  let clients: Clients;
  beforeAll(() => {
    clients = new Clients(4);
  });
  afterAll(() => clients.stop());

  it('[A-018] is followed by the promoted standby: writes resume, the breaker closes, none goes to the wrong node', async () => {
    expect(await waitUntil(() => clients.acknowledged.length > 50, patienceMs)).toBe(true);
    address.leadTo(standby.port);
    const tooEarly = ['early 1', 'early 2', 'early 3'].map(writeInTheEnd);
    expect(await waitUntil(() => breakerOf('shard-1') === 'open', patienceMs)).toBe(true);
    process.kill(primary.pid, 'SIGKILL');
    const killedAt = performance.now();
    await promote(standby);
    expect(await Promise.all(tooEarly)).toEqual([1, 1, 1]);
    const promotedAt = performance.now();
    const resumed = () => clients.acknowledged.filter(({ at }) => at > promotedAt).length > 50;
    expect(await waitUntil(resumed, resumeWithinMs)).toBe(true);
    await clients.stop();
    expect(clients.unexpected).toEqual([]);
    expect([breakerOf('shard-1'), breakerOf('directory')]).toEqual(['closed', 'closed']);
    await expectEachOnce(['early 1', 'early 2', 'early 3', ...clients.acknowledged.map(({ key }) => key)]);
    await expectNothingElsewhere(clients.acknowledged.filter(({ at }) => at < killedAt).map(({ key }) => key));
  }, 120_000);

  /** One that finds the breaker open already is refused at once, and asks again as clients do. */
  const writeInTheEnd = async (key: string): Promise<unknown> => {
    for (;;) {
      try {
        return await write(key);
      } catch (error) {
        if (!isAppError(error, 'shard.unavailable') || performance.now() > giveUpAt) throw error;
        await sleep(50);
      }
    }
  };
  const giveUpAt = performance.now() + 100_000;

  const expectEachOnce = async (keys: readonly string[]) => {
    const there = (await rowsOn(standby)).map(({ key }) => key);
    expect(new Set(there).size).toBe(there.length);
    expect(keys.filter((key) => !there.includes(key))).toEqual([]);
  };

  /** What the old primary acknowledged is on the new one, the very rows; and it took nothing that was not. */
  const expectNothingElsewhere = async (acknowledged: readonly string[]) => {
    const { dataDir, port, superuser } = primary;
    const again = { dataDir, port, superuser, durability: 'durable', binariesHome: stackHome() } as const;
    const old = await PostgresServer.start(again);
    try {
      const [left, there] = [await rowsOn(old), await rowsOn(standby)];
      const ids = new Set(there.map(({ id }) => id));
      expect(left.filter(({ id, key }) => !ids.has(id) && acknowledged.includes(key))).toEqual([]);
      expect(left.filter(({ key }) => key.startsWith('early'))).toEqual([]);
    } finally {
      await old.stop();
    }
  };
});
