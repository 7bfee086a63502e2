import { parseConfig } from '#infra/config';
import { type RootKey, TenantCrypto } from '#infra/crypto';
import { type Consistency, FixedClock, newId, type SeenWrite, systemClock, type TenantContext } from '#infra/kernel';
import { RedisConnections, redisConfig } from '#infra/redis';
import { ConsistencyTokens, databaseConfig, WritePositions } from '#infra/replicas';
import { createLog, Metrics, telemetryConfig } from '#infra/telemetry';
import { openTestDatabases, type TestDatabases, waitUntil } from '#infra/testing';
import { Databases } from './databases.js';
import { DirectoryKeys } from './directory-keys.js';
import { shardingConfig } from './sharding.config.js';
import { Sharding } from './sharding.js';
import { Tenants } from './tenants.js';

const patienceMs = 20_000;
/** A busy machine makes connections slowly; nothing here is about that. */
const unhurried = { DB_ACQUIRE_TIMEOUT: '20000', DB_CREATE_TIMEOUT: '20000' };
const identity = { app: 'test', version: '0.0.0' };
let db: TestDatabases;
let ctx: TenantContext;
let writer: Process;
const processes: Process[] = [];

/** All that a process of the product has of its own. Processes share PostgreSQL, the root key, and Redis where it is the same one. */
class Process {
  readonly #redis: RedisConnections;
  readonly #databases: Databases;
  readonly sharding: Sharding;
  readonly tokens: ConsistencyTokens;

  constructor(redisUrl: string, clock = systemClock) {
    const env = { ...db.env, ...unhurried, REDIS_URL: redisUrl };
    const slices = {
      sharding: shardingConfig,
      database: databaseConfig,
      redis: redisConfig,
      telemetry: telemetryConfig,
    };
    const config = parseConfig(slices, env);
    const rootKey: RootKey = db.rootKey;
    this.#redis = new RedisConnections(config.redis, createLog(config.telemetry, identity), new Metrics());
    this.#databases = new Databases({ ...config, applicationName: 'process', clock, onIdleError: () => undefined });
    this.tokens = new ConsistencyTokens(rootKey.derive('consistency-token'), clock);
    this.sharding = new Sharding({
      databases: this.#databases,
      tenants: new Tenants(this.#databases, clock),
      positions: new WritePositions(this.#redis),
      crypto: new TenantCrypto(rootKey, new DirectoryKeys(this.#databases), clock),
      clock,
      statementTimeoutMs: config.database.statementTimeoutMs,
    });
    processes.push(this);
  }

  /** Resolves when its replica answers reads. */
  async ready(): Promise<this> {
    await waitUntil(async () => {
      await this.#databases.shard('shard-1').poll();
      return (await this.read()).replica;
    }, patienceMs);
    return this;
  }

  /** As somebody of whom nobody here has heard, with what they bring along. */
  async read(token?: string) {
    const seen = token === undefined ? null : this.tokens.read(ctx.tenant.id, token);
    const consistency: Consistency = { seen, written: null };
    const stranger = { ...ctx, actor: { kind: 'system', name: newId() } as const, consistency };
    return this.sharding.read(
      stranger,
      async (tx) => {
        const rows = await tx.db.query<{ key: string }>('select key from outbox order by id');
        const [where] = await tx.db.query<{ replica: boolean }>('select pg_is_in_recovery() as replica');
        return { keys: rows.map(({ key }) => key), replica: where?.replica === true };
      },
      { from: 'replica' },
    );
  }

  async end(): Promise<void> {
    await this.sharding.onApplicationShutdown();
    await this.#redis.close();
  }
}

/** The token that the writer takes along, and what it says. */
async function write(key: string): Promise<{ readonly token: string; readonly written: SeenWrite }> {
  const consistency: Consistency = { seen: null, written: null };
  await writer.sharding.write({ ...ctx, consistency }, (tx) =>
    tx.db.execute(
      `insert into outbox (tenant_id, id, kind, name, key, payload, request_id, created_at, next_at)
       values ($1, $2, 'fact', 'test', $3, '{}', 'r', $4, $4)`,
      [tx.tenant.id, newId(), key, new Date(db.clock.now())],
    ),
  );
  const { written } = consistency;
  if (written === null) throw new Error('nothing was noted');
  return { token: writer.tokens.issue(ctx.tenant.id, written), written };
}

const otherRedis = () => `${(db.env.REDIS_URL ?? '').replace(/\/\d+$/, '')}/15`;
const noRedis = 'redis://127.0.0.1:1';

beforeAll(async () => {
  db = await openTestDatabases();
  ctx = await db.newTenant({ shardId: 'shard-1' });
  writer = await new Process(db.env.REDIS_URL ?? '').ready();
}, 120_000);
afterEach(() => db?.thawReplica());
afterAll(async () => {
  await Promise.all(processes.map((one) => one.end()));
  await db?.close();
});

describe('what one process wrote, read by another that has another Redis, or none', () => {
  it('is never missed with the token of the write: 200 times while the replica stands still', async () => {
    const elsewhere = await new Process(otherRedis()).ready();
    const without = new Process(noRedis);
    await db.freezeReplica();
    for (let n = 0; n < 200; n += 1) {
      const { token } = await write(`w${n}`);
      for (const reader of [elsewhere, without]) expect((await reader.read(token)).keys.at(-1)).toBe(`w${n}`);
    }
    // Without a token it would have been missed. The replica is shared with other specs, which may let it go on.
    let marks = 0;
    const isMissed = async () => {
      marks += 1;
      await db.freezeReplica();
      await write(`mark ${marks}`);
      const { keys, replica } = await elsewhere.read();
      return replica && !keys.includes(`mark ${marks}`);
    };
    expect(await waitUntil(isMissed, patienceMs)).toBe(true);
  }, 60_000);

  it('is read from the replica again as soon as that has it, with the same token', async () => {
    const elsewhere = await new Process(otherRedis()).ready();
    const { token } = await write('later');
    expect(await waitUntil(async () => (await elsewhere.read(token)).replica, patienceMs)).toBe(true);
    expect((await elsewhere.read(token)).keys.at(-1)).toBe('later');
  });

  it('is never missed with a token that is forged, of another tenant, of a foreign house or of another server: the primary answers', async () => {
    const elsewhere = await new Process(otherRedis()).ready();
    await db.freezeReplica();
    const { token, written } = await write('told');
    const other = await db.newTenant({ shardId: 'shard-1' });
    const foreign = new ConsistencyTokens(db.rootKey.derive('another-house'), systemClock);
    const bad = [
      `${token.slice(0, -1)}${token.endsWith('A') ? 'B' : 'A'}`,
      'made up',
      writer.tokens.issue(other.tenant.id, written),
      foreign.issue(ctx.tenant.id, written),
      writer.tokens.issue(ctx.tenant.id, { ...written, position: 1n, lineage: '1-00000001' }),
      writer.tokens.issue(ctx.tenant.id, { ...written, position: 1n, database: 'shard-2' }),
    ];
    for (const one of bad) {
      const { keys, replica } = await elsewhere.read(one);
      expect([one, keys.at(-1), replica]).toEqual([one, 'told', false]);
    }
  });

  it('is not missed with a token that has expired, and one of another server then binds nobody any more', async () => {
    const elsewhere = await new Process(otherRedis()).ready();
    await db.freezeReplica();
    const { written } = await write('long ago');
    const before = new ConsistencyTokens(
      db.rootKey.derive('consistency-token'),
      new FixedClock(systemClock.now() - 31_000),
    );
    const expired = before.issue(ctx.tenant.id, written);
    expect(elsewhere.tokens.read(ctx.tenant.id, expired)).toMatchObject({ old: true });
    expect((await elsewhere.read(expired)).keys.at(-1)).toBe('long ago');
    const moved = before.issue(ctx.tenant.id, { ...written, database: 'shard-2' });
    expect((await elsewhere.read(moved)).replica).toBe(true);
  });
});
