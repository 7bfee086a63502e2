import { setTimeout as sleep } from 'node:timers/promises';
import { type IdempotencyRequest, newId, type TenantContext } from '#infra/kernel';
import { openTestDatabases, type TestDatabases } from '#infra/testing';
import {
  admit,
  contentOn,
  fill,
  killedAt,
  machinery,
  moved,
  moverOf,
  patientsOf,
  place,
  rowsOn,
  Writers,
} from '../test/moving.js';
import { abortMove, cleanAfterMoves, type MovePoint, moveTenant } from './index.js';

let db: TestDatabases;
beforeAll(async () => {
  db = await openTestDatabases({ env: { DB_POOL_MAX: '12', DB_ACQUIRE_TIMEOUT: '20000' } });
});
afterEach(async () => expect(await machinery(db)).toEqual([]));
afterAll(() => db?.close());

const newer = `insert into migrations ("timestamp", name) values (9795219200007, 'Newer')`;
/** Of the tenant's versions of patients: all of them, or those that are named. */
const checksum = `
select array_agg(id order by id) as ids, md5(string_agg(t::text, ',' order by id)) as sum
  from patient_version t where tenant_id = $1 and ($2::uuid[] is null or id = any($2))`;
const fresh = (ctx: TenantContext): TenantContext => ({ ...ctx, deadline: db.clock.now() + 30_000 });
const entryOf = (ctx: TenantContext) => db.sharding.tenants.reload(ctx.tenant.id);

describe('a tenant that moves to another shard', () => {
  it('[A-020] loses nothing of 100,000 rows while eight writers write, pauses them for less than a second, and is equal by checksum; its neighbours stay as they were', async () => {
    const ctx = await db.newTenant({ shardId: 'shard-1' });
    const neighbours = [await db.newTenant({ shardId: 'shard-1' }), await db.newTenant({ shardId: 'shard-2' })];
    for (const each of [ctx, ...neighbours]) for (let n = 0; n < 20; n += 1) await admit(db, each);
    const before = await Promise.all(neighbours.map(({ tenant }, n) => contentOn(db, `shard-${n + 1}`, tenant.id)));
    await fill(db, 'shard-1', ctx.tenant.id, 100_000);
    const already = await patientsOf(db, ctx);

    const writers = new Writers(db, ctx, 8);
    await writers.more(20);
    const { outcome, news } = await moved(db, ctx, 'shard-2');
    await writers.more(20);
    await writers.stop();

    expect(writers.refused).toEqual([]);
    expect(await entryOf(ctx)).toMatchObject({ shardId: 'shard-2', epoch: 2, state: 'active', movingTo: null });
    expect(await patientsOf(db, fresh(ctx))).toEqual([...already, ...writers.acknowledged].sort());
    expect(await rowsOn(db, 'shard-2', 'patient_version', ctx.tenant.id)).toBe(50_020 + writers.acknowledged.length);
    expect(outcome.longestPauseMs).toBeLessThan(1_000);
    expect(await Promise.all(neighbours.map(({ tenant }, n) => contentOn(db, `shard-${n + 1}`, tenant.id)))).toEqual(
      before,
    );
    for (const [n, { tenant }] of neighbours.entries())
      expect(await contentOn(db, `shard-${2 - n}`, tenant.id)).toEqual([]);
    expect(outcome).toMatchObject({ source: 'shard-1', target: 'shard-2', epoch: 2 });
    expect(news.filter(({ kind }) => kind === 'copying').at(-1)).toMatchObject({ tablesReady: outcome.tables });
    const [move] = await db.asAdmin<{ proof: { atHandOver: Record<string, { rows: number }> } }>(
      'directory',
      'select proof from tenant_move where id = $1',
      [outcome.moveId],
    );
    expect(move?.proof.atHandOver.patient?.rows).toBeGreaterThanOrEqual(50_040);
    expect(move?.proof).not.toHaveProperty('unequal');
    // What the source kept is what it had at the hand-over, and nobody has changed any of it since.
    const kept = await db.asAdmin<{ ids: string[]; sum: string }>('shard-1', checksum, [ctx.tenant.id, null]);
    expect(kept[0]?.ids.length).toBe(move?.proof.atHandOver.patient_version?.rows);
    const there = await db.asAdmin<{ sum: string }>('shard-2', checksum, [ctx.tenant.id, kept[0]?.ids]);
    expect(there[0]?.sum).toBe(kept[0]?.sum);
  });

  it('brings what is sealed, stored answers and its audit, and can be read there with the keys it always had', async () => {
    const ctx = await db.newTenant({ shardId: 'shard-1' });
    const id = await admit(db, ctx);
    const request = (): IdempotencyRequest => ({
      key: 'k',
      route: 'POST /x',
      fingerprint: Buffer.alloc(32, 1),
      outcome: 'unused',
    });
    await db.sharding.writeOnce({ ...ctx, idempotency: request() }, async () => ({ answer: 42 }));
    await db.audit.recordRead(ctx, { action: 'test.read', resourceType: 'test', subjectIds: [id as never] });
    await moved(db, ctx, 'shard-2');

    const [row] = await db.sharding.read(ctx, (tx) =>
      tx.db.query<{ demographics: Buffer }>('select demographics from patient where id = $1', [id]),
    );
    const opened = await db.crypto.open(ctx.tenant.id, { ...place, rowId: id }, row?.demographics ?? Buffer.alloc(0));
    expect(opened.toString()).toBe(`patient ${id}`);
    const repeated = db.sharding.writeOnce({ ...ctx, idempotency: request() }, async () => ({ answer: 43 }));
    expect(await repeated).toEqual({ answer: 42 });
    for (const table of ['audit_event', 'audit_subject'])
      expect(await rowsOn(db, 'shard-2', table, ctx.tenant.id)).toBe(1);
    const changing = db.asAdmin('shard-2', 'update patient_version set version = 2 where tenant_id = $1', [
      ctx.tenant.id,
    ]);
    await expect(changing).rejects.toThrow('append-only');
  });

  it('has every fact of its outbox taken once, by one shard or the other', async () => {
    const ctx = await db.newTenant({ shardId: 'shard-2' });
    const taken: string[] = [];
    const relay = new AbortController();
    const take = async (): Promise<void> => {
      const results = await db.sharding.eachShard(db.newContext(), async ({ db: at }) => {
        const due = await at.query<{ key: string; id: string }>(
          `select key, id from outbox where tenant_id = $1 and published_at is null for update skip locked`,
          [ctx.tenant.id],
        );
        const marked = await at.execute(
          'update outbox set published_at = created_at where tenant_id = $1 and id = any($2)',
          [ctx.tenant.id, due.map(({ id }) => id)],
        );
        expect(marked).toBe(due.length);
        return due.map(({ key }) => key);
      });
      for (const { value, error } of results) {
        if (error !== undefined) throw error;
        taken.push(...(value ?? []));
      }
    };
    const relaying = (async () => {
      while (!relay.signal.aborted) await take();
    })();
    const writers = new Writers(db, ctx, 4);
    await writers.more(10);
    await moved(db, ctx, 'shard-1');
    await writers.more(10);
    await writers.stop();
    relay.abort();
    await relaying;
    await take();
    expect([...taken].sort()).toEqual([...writers.acknowledged].sort());
  });

  const points: readonly MovePoint[] = [
    'preparing',
    'copying',
    'replicated',
    'proving',
    'switching',
    'leaving',
    'handed_over',
    'switched',
    'finishing',
  ];
  it('is served whenever its mover is killed, at each step in turn, and arrives whole once it runs to its end', async () => {
    const ctx = await db.newTenant({ shardId: 'shard-1' });
    for (let n = 0; n < 5; n += 1) await admit(db, ctx);
    const already = await patientsOf(db, ctx);
    const writers = new Writers(db, ctx, 3);
    for (const point of points) {
      await killedAt(db, ctx, 'shard-2', point);
      await writers.more(5);
    }
    await moved(db, ctx, 'shard-2');
    await writers.more(5);
    await writers.stop();
    expect(writers.refused).toEqual([]);
    expect(await entryOf(ctx)).toMatchObject({ shardId: 'shard-2', epoch: 2, movingTo: null });
    expect(await patientsOf(db, fresh(ctx))).toEqual([...already, ...writers.acknowledged].sort());
    expect(await rowsOn(db, 'shard-2', 'outbox', ctx.tenant.id)).toBe(5 + writers.acknowledged.length);
  });

  it('starts over where it was copied under another schema', async () => {
    const ctx = await db.newTenant({ shardId: 'shard-1' });
    await admit(db, ctx);
    await killedAt(db, ctx, 'shard-2', 'switching');
    for (const shard of ['shard-1', 'shard-2']) await db.asAdmin(shard, newer);
    const { news } = await moved(db, ctx, 'shard-2');
    expect(news[0]).toMatchObject({ point: 'preparing' });
    expect(await patientsOf(db, fresh(ctx))).toHaveLength(1);
    for (const shard of ['shard-1', 'shard-2']) await db.asAdmin(shard, `delete from migrations where name = 'Newer'`);
  });

  it('stays, equal to the last row or not at all: a difference is found before the hand-over, and the move can be undone', async () => {
    const ctx = await db.newTenant({ shardId: 'shard-1' });
    const id = await admit(db, ctx);
    await killedAt(db, ctx, 'shard-2', 'proving');
    await db.asAdmin('shard-2', `update patient set created_by = 'other' where tenant_id = $1`, [ctx.tenant.id]);
    const refused = expect.objectContaining({
      code: 'move.unequal',
      message: expect.stringContaining('patient (1 rows, 1'),
    });
    await expect(moved(db, ctx, 'shard-2')).rejects.toEqual(refused);
    expect(await patientsOf(db, ctx)).toEqual([id]);

    await abortMove(moverOf(db), ctx.tenant.id);
    expect(await entryOf(ctx)).toMatchObject({ shardId: 'shard-1', epoch: 1, state: 'active', movingTo: null });
    expect(await contentOn(db, 'shard-2', ctx.tenant.id)).toEqual([]);
    expect(await admit(db, fresh(ctx))).toBeDefined();
  });

  it('goes back where it came from, over what its stay had left; and leaves nothing once that is cleaned', async () => {
    const ctx = await db.newTenant({ shardId: 'shard-1' });
    await admit(db, ctx);
    await moved(db, ctx, 'shard-2', { keepMs: 0 });
    await admit(db, fresh(ctx));
    expect(await rowsOn(db, 'shard-1', 'patient', ctx.tenant.id)).toBe(1);
    await moved(db, ctx, 'shard-1', { keepMs: 0 });
    expect(await patientsOf(db, fresh(ctx))).toHaveLength(2);
    const cleaned = await cleanAfterMoves(moverOf(db));
    expect(cleaned.filter(({ tenantId }) => tenantId === ctx.tenant.id)).toEqual([
      { tenantId: ctx.tenant.id, shardId: 'shard-2', rows: expect.any(Number) },
    ]);
    expect(await contentOn(db, 'shard-2', ctx.tenant.id)).toEqual([]);
    expect(await patientsOf(db, fresh(ctx))).toHaveLength(2);
    expect(await entryOf(ctx)).toMatchObject({ shardId: 'shard-1', epoch: 3 });
  });

  it('does not leave before every replica of its shard has replayed that it does', async () => {
    const ctx = await db.newTenant({ shardId: 'shard-1' });
    const id = await admit(db, ctx);
    await db.freezeReplica();
    try {
      const leaving = moved(db, ctx, 'shard-2', { patienceMs: 1_500 });
      await expect(leaving).rejects.toMatchObject({
        code: 'move.behind',
        message: expect.stringContaining('replica-1'),
      });
      expect(await patientsOf(db, fresh(ctx))).toEqual([id]);
      expect(await entryOf(ctx)).toMatchObject({ shardId: 'shard-1' });
    } finally {
      await db.thawReplica();
    }
    await moved(db, ctx, 'shard-2');
    const asked = db.asReadOnly('shard-1', 'select enter_tenant($1, 1)', [ctx.tenant.id]);
    await expect(asked).rejects.toMatchObject({ code: 'TS001' });
    expect(await patientsOf(db, fresh(ctx))).toEqual([id]);
  });

  it('waits for a long transaction without stopping the others, and gives up with the move as it stood', async () => {
    const ctx = await db.newTenant({ shardId: 'shard-1' });
    let end = () => {};
    const ended = new Promise<void>((resolve) => {
      end = resolve;
    });
    const long = db.sharding.write(ctx, async (tx) => {
      await tx.db.query('select 1');
      await ended;
    });
    const writers = new Writers(db, ctx, 2);
    try {
      const moving = moved(db, ctx, 'shard-2', { patienceMs: 1_000 });
      await expect(moving).rejects.toMatchObject({ code: 'move.no_standstill' });
      await writers.more(5);
    } finally {
      end();
      await long;
    }
    await moved(db, ctx, 'shard-2');
    await writers.stop();
    expect(writers.refused).toEqual([]);
    expect(await patientsOf(db, fresh(ctx))).toHaveLength(writers.acknowledged.length);
  });

  it('takes along a table that a later migration adds', async () => {
    for (const shard of ['shard-1', 'shard-2'])
      await db.asAdmin(
        shard,
        `set role praxis_owner;
         create table later_table (tenant_id uuid not null, id uuid not null, what text, primary key (tenant_id, id));
         call secure_tenant_table('later_table')`,
      );
    const ctx = await db.newTenant({ shardId: 'shard-1' });
    await db.sharding.write(ctx, (tx) =>
      tx.db.execute('insert into later_table values ($1, $2, $3)', [tx.tenant.id, newId(), 'kept']),
    );
    await moved(db, ctx, 'shard-2');
    const rows = await db.sharding.read(ctx, (tx) => tx.db.query('select what from later_table'));
    expect(rows).toEqual([{ what: 'kept' }]);
    for (const shard of ['shard-1', 'shard-2']) await db.asAdmin(shard, 'drop table later_table');
  });
});

describe('a move is refused, and nothing is changed,', () => {
  const refusal = (internal: string) => ({ code: 'move.refused', message: expect.stringContaining(internal) });
  let ctx: TenantContext;
  beforeAll(async () => {
    ctx = await db.newTenant({ shardId: 'shard-1' });
  });
  afterEach(async () => expect(await entryOf(ctx)).toMatchObject({ shardId: 'shard-1', epoch: 1, movingTo: null }));

  it('to a shard that is not known, that it lives on, or that takes no tenants', async () => {
    await expect(moved(db, ctx, 'shard-9')).rejects.toMatchObject(refusal('no shard-9'));
    await expect(moved(db, ctx, 'shard-1')).rejects.toMatchObject(refusal('already'));
    const nobody = moveTenant(moverOf(db), { tenant: 'nobody', shardId: 'shard-2' });
    await expect(nobody).rejects.toMatchObject(refusal('no tenant nobody'));
    await db.asAdmin('directory', `update shard set state = 'draining' where id = 'shard-2'`);
    await expect(moved(db, ctx, 'shard-2')).rejects.toMatchObject(refusal('draining'));
    await db.asAdmin('directory', `update shard set state = 'active' where id = 'shard-2'`);
  });

  it('where the shards’ schemas differ', async () => {
    await db.asAdmin('shard-1', newer);
    await expect(moved(db, ctx, 'shard-2')).rejects.toMatchObject(refusal('schemas differ'));
    await db.asAdmin('shard-1', `delete from migrations where name = 'Newer'`);
    await db.asAdmin('shard-1', 'alter table location add column newer int');
    await expect(moved(db, ctx, 'shard-2')).rejects.toMatchObject(refusal('the shards differ in location'));
    await db.asAdmin('shard-1', 'alter table location drop column newer');
  });

  it('where a table holds tenants’ rows without being secured as one', async () => {
    for (const shard of ['shard-1', 'shard-2']) await db.asAdmin(shard, 'create table stray (tenant_id uuid, id uuid)');
    await expect(moved(db, ctx, 'shard-2')).rejects.toMatchObject(refusal('stray'));
    for (const shard of ['shard-1', 'shard-2']) await db.asAdmin(shard, 'drop table stray');
  });

  it('where the target serves it, as no target should', async () => {
    await db.asAdmin('shard-2', 'insert into tenant_fence (tenant_id, epoch) values ($1, 7)', [ctx.tenant.id]);
    await expect(moved(db, ctx, 'shard-2')).rejects.toMatchObject(refusal('already serves it'));
    await db.asAdmin('shard-2', 'delete from tenant_fence where tenant_id = $1', [ctx.tenant.id]);
  });

  it('while another mover works on it, or another tenant moves the same way', async () => {
    const other = await db.newTenant({ shardId: 'shard-1' });
    let end = () => {};
    const ended = new Promise<void>((resolve) => {
      end = resolve;
    });
    const long = db.sharding.write(other, () => ended);
    const first = moved(db, other, 'shard-2');
    const begun = async () => (await entryOf(other)).movingTo !== null;
    while (!(await begun())) await sleep(20);
    const underWay = (internal: string) => ({ code: 'move.under_way', message: expect.stringContaining(internal) });
    await expect(moved(db, other, 'shard-2')).rejects.toMatchObject(underWay('another mover'));
    await expect(moved(db, ctx, 'shard-2')).rejects.toMatchObject(underWay('another tenant'));
    end();
    await Promise.all([first, long]);
    await expect(abortMove(moverOf(db), other.tenant.id)).rejects.toMatchObject(refusal('no move'));
  });

  it('to another shard than the one it is on its way to', async () => {
    const other = await db.newTenant({ shardId: 'shard-1' });
    await killedAt(db, other, 'shard-2', 'copying');
    await expect(moved(db, other, 'shard-1')).rejects.toMatchObject({ code: 'move.under_way' });
    await abortMove(moverOf(db), other.tenant.id);
    await killedAt(db, other, 'shard-2', 'handed_over');
    await expect(abortMove(moverOf(db), other.tenant.id)).rejects.toMatchObject({ code: 'move.too_late' });
    await moved(db, other, 'shard-2');
  });
});
