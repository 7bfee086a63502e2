import { newId, type TenantContext } from '#infra/kernel';
import { openTestDatabases, type TestDatabases, waitUntil } from '#infra/testing';
import { figuresTimeoutMs, type ReadOptions } from './db.js';

const figures: ReadOptions = { from: 'replica', statementTimeoutMs: figuresTimeoutMs };

/** Where a read ran, and how long each of its statements might have taken. */
async function placed(db: TestDatabases, ctx: TenantContext, options: ReadOptions, wait = 0) {
  return db.sharding.read(
    { ...ctx, actor: { kind: 'system', name: newId() } },
    async (tx) => {
      const [row] = await tx.db.query<{ replica: boolean; pid: number; longest: string }>(
        `select pg_is_in_recovery() as replica, pg_backend_pid() as pid, current_setting('statement_timeout') as longest,
                pg_sleep($1) is null as slept`,
        [wait],
      );
      return row;
    },
    options,
  );
}

/** The replica is that of all specs of a run: another one may hold it back for a while. */
const untilReplica = (db: TestDatabases, ask: () => Promise<boolean | undefined>) =>
  waitUntil(async () => {
    await db.databases.shard('shard-1').poll();
    return (await ask()) === true;
  }, 20_000);

describe('the longest run of a statement', () => {
  let db: TestDatabases;
  let ctx: TenantContext;
  const inTime = (leftMs: number) => ({ ...ctx, deadline: db.clock.now() + leftMs });
  beforeAll(async () => {
    db = await openTestDatabases({ env: { DB_POOL_MAX: '1', DB_REPLICA_POOL_MAX: '1' } });
    ctx = await db.newTenant({ shardId: 'shard-1' });
  }, 60_000);
  afterAll(() => db?.close());

  it('[C-144] is 15 s for the API and 60 s for analytics, less where the request has less, and a cancelled one frees its connection', async () => {
    const patient = inTime(600_000);
    expect(await placed(db, patient, {})).toMatchObject({ replica: false, longest: '15s' });
    const replicaGives = (options: ReadOptions, longest: string) =>
      untilReplica(db, async () => {
        const row = await placed(db, patient, options);
        expect(row?.longest).toBe(longest);
        return row?.replica;
      });
    expect(await replicaGives({ from: 'replica' }, '15s')).toBe(true);
    expect(await replicaGives(figures, '1min')).toBe(true);
    expect(await placed(db, patient, { statementTimeoutMs: figuresTimeoutMs })).toMatchObject({
      replica: false,
      longest: '1min',
    });
    const hurried = (await placed(db, inTime(30_000), figures))?.longest ?? '';
    expect(Number.parseInt(hurried, 10) * (hurried.endsWith('ms') ? 1 : 1_000)).toBeLessThanOrEqual(30_000);
    // Each pool has one connection: were it not given back, nobody would answer.
    const isGivenBack = async (options: ReadOptions) => {
      const before = await placed(db, patient, options);
      await expect(placed(db, inTime(300), options, 30)).rejects.toMatchObject({ code: 'database.timeout' });
      const after = await placed(db, patient, options);
      return before?.pid === after?.pid && (options.from !== 'replica' || before?.replica);
    };
    for (const options of [{}, { statementTimeoutMs: figuresTimeoutMs }]) expect(await isGivenBack(options)).toBe(true);
    expect(await untilReplica(db, () => isGivenBack(figures))).toBe(true);
  });
});

describe('a statement that takes longer than statements usually may', () => {
  let db: TestDatabases;
  beforeAll(async () => {
    db = await openTestDatabases({ env: { DB_STATEMENT_TIMEOUT: '400' } });
  }, 60_000);
  afterAll(() => db?.close());

  it('is answered where it was given the time, and cancelled where it was not', async () => {
    const ctx = { ...(await db.newTenant({ shardId: 'shard-1' })), deadline: db.clock.now() + 600_000 };
    // Longer than the 2 s for which a server may owe an answer beyond the usual limit.
    const waitS = 2.6;
    await expect(placed(db, ctx, {}, waitS)).rejects.toMatchObject({ code: 'database.timeout' });
    const onPrimary = { statementTimeoutMs: figuresTimeoutMs };
    expect(await placed(db, ctx, onPrimary, waitS)).toMatchObject({ replica: false, longest: '1min' });
  });
});
