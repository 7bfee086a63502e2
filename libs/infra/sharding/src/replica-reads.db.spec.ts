import { type Consistency, newId, type TenantContext } from '#infra/kernel';
import { openTestDatabases, type TestDatabases, waitUntil } from '#infra/testing';

const patienceMs = 60_000;
const enoughInARow = 10;
jest.setTimeout(patienceMs + 30_000);

let db: TestDatabases;
beforeAll(async () => {
  db = await openTestDatabases();
});
afterEach(() => db.thawReplica());
afterAll(() => db?.close());

const write = (ctx: TenantContext, key: string) =>
  db.sharding.write(ctx, (tx) =>
    tx.db.execute(
      `insert into outbox (tenant_id, id, kind, name, key, payload, request_id, created_at, next_at)
       values ($1, $2, 'fact', 'test', $3, '{}', 'r', $4, $4)`,
      [tx.tenant.id, newId(), key, new Date(db.clock.now())],
    ),
  );
const readReplica = (ctx: TenantContext) =>
  db.sharding.read(
    ctx,
    async (tx) => {
      const rows = await tx.db.query<{ key: string; replica: boolean }>(
        'select key, pg_is_in_recovery() as replica from outbox order by id',
      );
      const [where] = await tx.db.query<{ replica: boolean }>('select pg_is_in_recovery() as replica');
      return { keys: rows.map((row) => row.key), replica: where?.replica };
    },
    { from: 'replica' },
  );
const asSomeoneElse = (ctx: TenantContext): TenantContext => ({ ...ctx, actor: { kind: 'system', name: newId() } });
/** Again and again: a replica that a busy machine was too slow to ask comes back after 10 s, and slowly. */
const replicaAnswers = async (ctx: TenantContext): Promise<void> => {
  let inARow = 0;
  const answers = await waitUntil(async () => {
    await db.databases.shard('shard-1').poll();
    inARow = (await readReplica(asSomeoneElse(ctx))).replica === true ? inARow + 1 : 0;
    return inARow === enoughInARow;
  }, patienceMs);
  expect(answers).toBe(true);
};

describe('a read that asks for a replica', () => {
  it('goes to the primary until the replica has proved itself, then to the replica', async () => {
    const ctx = await db.newTenant({ shardId: 'shard-1' });
    expect((await readReplica(ctx)).replica).toBe(false);
    await replicaAnswers(ctx);
  });

  it('never misses what its own user wrote, 200 times with replay frozen', async () => {
    const ctx = await db.newTenant({ shardId: 'shard-1' });
    await replicaAnswers(ctx);
    await db.freezeReplica();
    for (let n = 0; n < 200; n += 1) {
      await write(ctx, `w${n}`);
      expect((await readReplica(ctx)).keys.at(-1)).toBe(`w${n}`);
    }
  });

  it('may show others the past that the replica stands at', async () => {
    const ctx = await db.newTenant({ shardId: 'shard-1' });
    await replicaAnswers(ctx);
    await db.freezeReplica();
    await write(ctx, 'new');
    expect(await readReplica(asSomeoneElse(ctx))).toEqual({ keys: [], replica: true });
    expect(await readReplica(ctx)).toEqual({ keys: ['new'], replica: false });
  });

  it('never misses what a caller has seen written elsewhere, and is told by what they bring along', async () => {
    const ctx = await db.newTenant({ shardId: 'shard-1' });
    await replicaAnswers(ctx);
    await db.freezeReplica();
    const consistency: Consistency = { seen: null, written: null };
    await write({ ...ctx, consistency }, 'elsewhere');
    const { written } = consistency;
    expect(written).toMatchObject({ database: 'shard-1', lineage: expect.stringMatching(/^\d+-[0-9A-F]{8}$/) });
    const bringing = (seen: Consistency['seen']) =>
      readReplica({ ...asSomeoneElse(ctx), consistency: { seen, written: null } });
    expect(await bringing(null)).toEqual({ keys: [], replica: true });
    expect(await bringing(written)).toEqual({ keys: ['elsewhere'], replica: false });
    expect(await bringing('unknown')).toEqual({ keys: ['elsewhere'], replica: false });
    if (written === null) throw new Error('nothing was noted');
    const ofAnotherServer = { ...written, position: 1n, lineage: '1-00000001' };
    expect(await bringing(ofAnotherServer)).toEqual({ keys: ['elsewhere'], replica: false });
    expect(await bringing({ ...written, position: 1n })).toEqual({ keys: [], replica: true });
  });

  it('goes to the primary after a write whose place in the log could not be asked', async () => {
    const ctx = await db.newTenant({ shardId: 'shard-1' });
    await replicaAnswers(ctx);
    await db.freezeReplica();
    await db.asAdmin('shard-1', 'revoke execute on function pg_current_wal_insert_lsn() from public');
    try {
      await write(ctx, 'placeless');
    } finally {
      await db.asAdmin('shard-1', 'grant execute on function pg_current_wal_insert_lsn() to public');
    }
    expect(await readReplica(ctx)).toEqual({ keys: ['placeless'], replica: false });
  });

  it('keeps the limit of a statement on the replica, also for one who wrote', async () => {
    const ctx = await db.newTenant({ shardId: 'shard-1' });
    await write(ctx, 'before');
    const limitOf = (deadline: number) =>
      db.sharding.read(
        { ...ctx, deadline },
        async (tx) => {
          const [row] = await tx.db.query<{ timeout: string; replica: boolean }>(
            `select current_setting('statement_timeout') as timeout, pg_is_in_recovery() as replica`,
          );
          return row;
        },
        { from: 'replica' },
      );
    const onReplica = await waitUntil(async () => {
      await db.databases.shard('shard-1').poll();
      return (await limitOf(db.clock.now() + 60_000))?.replica === true;
    }, patienceMs);
    expect(onReplica).toBe(true);
    expect((await limitOf(db.clock.now() + 60_000))?.timeout).toBe('15s');
    expect(Number.parseInt((await limitOf(db.clock.now() + 900))?.timeout ?? '', 10)).toBeLessThanOrEqual(900);
  });

  it.each(['40001', '08006', '57P01'])('is answered by the primary when the replica fails it with %s', async (code) => {
    const ctx = await db.newTenant({ shardId: 'shard-1' });
    await replicaAnswers(ctx);
    const tries: boolean[] = [];
    const answer = await db.sharding.read(
      asSomeoneElse(ctx),
      async (tx) => {
        const [where] = await tx.db.query<{ replica: boolean }>('select pg_is_in_recovery() as replica');
        tries.push(where?.replica === true);
        if (where?.replica) throw Object.assign(new Error('conflict with recovery'), { code });
        return 'answered';
      },
      { from: 'replica' },
    );
    expect([answer, ...tries]).toEqual(['answered', true, false]);
  });

  it('is answered by the primary when the replica’s connection is cut in the middle', async () => {
    const ctx = await db.newTenant({ shardId: 'shard-1' });
    await replicaAnswers(ctx);
    const answer = db.sharding.read(
      asSomeoneElse(ctx),
      async (tx) => {
        const [own] = await tx.db.query<{ pid: number; replica: boolean }>(
          'select pg_backend_pid() as pid, pg_is_in_recovery() as replica',
        );
        if (own?.replica) process.kill(own.pid, 'SIGTERM');
        await new Promise((resolve) => setTimeout(resolve, 100));
        return tx.db.query('select pg_is_in_recovery() as replica');
      },
      { from: 'replica' },
    );
    expect(await answer).toEqual([{ replica: false }]);
  });

  it('still goes to the replica after a record of reading, which nobody reads back', async () => {
    const ctx = await db.newTenant({ shardId: 'shard-1' });
    await replicaAnswers(ctx);
    await db.freezeReplica();
    await db.audit.recordRead(ctx, { action: 'card.list', resourceType: 'card' });
    expect((await readReplica(ctx)).replica).toBe(true);
  });

  it('is answered by the primary on a shard without replicas', async () => {
    const ctx = await db.newTenant({ shardId: 'shard-2' });
    await write(ctx, 'here');
    expect(await readReplica(ctx)).toEqual({ keys: ['here'], replica: false });
  });
});
