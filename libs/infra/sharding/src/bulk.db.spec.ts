import { setTimeout as sleep } from 'node:timers/promises';
import { monotonicMs, newId, systemClock, type TenantContext } from '#infra/kernel';
import { openTestDatabases, type TestDatabases } from '#infra/testing';
import type { BulkContext, CopyRow, CopyType } from './index.js';

let db: TestDatabases;
const warnings: string[] = [];
const onWarning = ({ message }: Error) => void warnings.push(message);
beforeAll(async () => {
  process.on('warning', onWarning);
  db = await openTestDatabases({ env: { DB_POOL_MAX: '2' } });
  await db.asAdmin(
    'shard-1',
    `create table loaded (id uuid, big bigint, number int, small smallint, line text check (line <> 'refused'),
       bytes bytea, day date, at timestamptz);
     grant select, insert on loaded to praxis_app, praxis_ro`,
  );
});
afterEach(() => db.asAdmin('shard-1', 'truncate loaded'));
afterAll(async () => {
  process.off('warning', onWarning);
  await db?.close();
});

const types: readonly CopyType[] = ['uuid', 'bigint', 'int', 'smallint', 'text', 'bytea', 'date', 'timestamptz'];
const copy = 'copy loaded (id, big, number, small, line, bytes, day, at) from stdin (format binary)';
const row = (line: string | null, bytes: Buffer | null = null): CopyRow => [
  newId(),
  -9_007_199_254_740_991n,
  -2_147_483_648,
  7,
  line,
  bytes,
  '1999-12-31',
  Date.parse('2026-11-21T10:00:00.123Z'),
];
const rowsOf = (count: number): CopyRow[] => Array.from({ length: count }, (_, n) => row(`line ${n}`));
const load = (ctx: TenantContext, rows: AsyncIterable<CopyRow> | Iterable<CopyRow>) =>
  db.sharding.bulk(ctx, (tx) => tx.db.copyIn(copy, types, rows));
const newTenant = () => db.newTenant({ shardId: 'shard-1' });
const count = async (): Promise<number> =>
  Number((await db.asAdmin<{ n: string }>('shard-1', 'select count(*) as n from loaded'))[0]?.n);
const pidOf = async (tx: BulkContext): Promise<number> =>
  (await tx.db.query<{ pid: number }>('select pg_backend_pid() as pid'))[0]?.pid ?? 0;

describe('a bulk load', () => {
  it('carries every type as it is, nulls too, and rows longer than a chunk', async () => {
    const ctx = await newTenant();
    const long = Buffer.alloc(300_000, 0xa5);
    expect(await load(ctx, [row('tab\t, "quote" and é'), row(null, long), row('')])).toBe(3);
    const stored = await db.asAdmin<{ line: string | null; bytes: Buffer | null; rest: string }>(
      'shard-1',
      `select line, bytes, concat_ws('|', big, number, small, day, at at time zone 'UTC') as rest from loaded order by line`,
    );
    expect(stored.map(({ line }) => line)).toEqual(['', 'tab\t, "quote" and é', null]);
    expect(stored[2]?.bytes?.equals(long)).toBe(true);
    for (const { rest } of stored)
      expect(rest).toBe('-9007199254740991|-2147483648|7|1999-12-31|2026-11-21 10:00:00.123');
  });

  it('asks for rows only as fast as the server takes them', async () => {
    const ctx = await newTenant();
    const wide = Buffer.alloc(64 * 1024);
    let made = 0;
    async function* rows(): AsyncGenerator<CopyRow> {
      while (made < 500) {
        made += 1;
        yield row('wide', wide);
      }
    }
    const held = db.asAdmin(
      'shard-1',
      `do $$ begin lock table loaded in access exclusive mode; perform pg_sleep(1); end $$`,
    );
    await sleep(300);
    const loading = load(ctx, rows());
    await sleep(300);
    expect(made).toBeGreaterThan(0);
    expect(made).toBeLessThan(8);
    await held;
    expect(await loading).toBe(500);
  });

  it('is whole or nothing: rows that cannot be made, rows that are refused, a row too narrow; the next load works', async () => {
    const ctx = await newTenant();
    async function* broken(): AsyncGenerator<CopyRow> {
      yield* rowsOf(5_000);
      throw new TypeError('no more rows');
    }
    await expect(load(ctx, broken())).rejects.toThrow('no more rows');
    await expect(load(ctx, [...rowsOf(20_000), row('refused'), ...rowsOf(20_000)])).rejects.toMatchObject({
      code: '23514',
    });
    await expect(load(ctx, [['narrow']])).rejects.toThrow('a row of 1 values for 8 columns');
    await expect(load(ctx, [row('first'), [newId(), 0.5, 1, 1, 'x', null, null, null]])).rejects.toThrow(
      'safe integer',
    );
    expect(await count()).toBe(0);
    expect(await load(ctx, rowsOf(10))).toBe(10);
  });

  it('takes its place among the transaction’s statements, which go one at a time', async () => {
    const ctx = await newTenant();
    const seen = await db.sharding.bulk(ctx, async (tx) => {
      const answers = [
        tx.db.query<{ n: string }>('select count(*) as n from loaded'),
        tx.db.copyIn(copy, types, rowsOf(3)),
        tx.db.query<{ n: string }>('select count(*) as n from loaded'),
        tx.db.copyIn(copy, types, rowsOf(4)),
        tx.db.query<{ n: string }>('select count(*) as n from loaded'),
      ] as const;
      tx.db.send(`insert into loaded (line) values ('by the way')`);
      return Promise.all(answers);
    });
    expect(seen).toEqual([[{ n: '0' }], 3, [{ n: '3' }], 4, [{ n: '7' }]]);
    expect(await count()).toBe(8);
    expect(warnings).toEqual([]);
  });

  it('is undone with its attempt, and refused after its transaction', async () => {
    const ctx = await newTenant();
    const late = await db.sharding.bulk(ctx, async (tx) => {
      await tx.db.attempt(async () => void (await tx.db.copyIn(copy, types, rowsOf(3))));
      return tx;
    });
    expect(await count()).toBe(0);
    await expect(late.db.copyIn(copy, types, rowsOf(1))).rejects.toMatchObject({ code: 'database.aborted' });
  });

  it('sees its own tenant only, and is refused where the shard does not serve it', async () => {
    const [ctx, other] = [await newTenant(), await newTenant()];
    await db.sharding.write(other, (tx) => db.audit.record(tx, { action: 'a.b', resourceType: 'a' }));
    const seen = await db.sharding.bulk(ctx, (tx) => tx.db.query('select id from audit_event'));
    expect(seen).toEqual([]);
    await db.asAdmin('shard-1', `update tenant_fence set state = 'fenced' where tenant_id = $1`, [ctx.tenant.id]);
    await expect(load(ctx, rowsOf(1))).rejects.toMatchObject({ code: 'tenant.moving' });
    expect(await count()).toBe(0);
  });

  it('runs longer than a request’s statement may, and not beyond its own deadline', async () => {
    const ctx = await newTenant();
    async function* slow(ms: number): AsyncGenerator<CopyRow> {
      yield row('first');
      await sleep(ms);
      yield row('last');
    }
    expect(await load({ ...ctx, deadline: systemClock.now() + 20_000 }, slow(300))).toBe(2);
    await expect(load({ ...ctx, deadline: systemClock.now() + 400 }, slow(1_500))).rejects.toMatchObject({
      code: 'database.timeout',
    });
    expect(await count()).toBe(2);
  });

  it('whose connection is lost has changed nothing, and says so', async () => {
    const ctx = await newTenant();
    const lost = db.sharding.bulk(ctx, async (tx) => {
      const pid = await pidOf(tx);
      async function* rows(): AsyncGenerator<CopyRow> {
        yield* rowsOf(5_000);
        await db.asAdmin('shard-1', 'select pg_terminate_backend($1)', [pid]);
        await sleep(100);
        yield* rowsOf(5_000);
      }
      return tx.db.copyIn(copy, types, rows());
    });
    await expect(lost).rejects.toMatchObject({ code: 'shard.unavailable' });
    expect(await count()).toBe(0);
    expect(await load(ctx, rowsOf(1))).toBe(1);
  });

  it('runs what waits for its commit, and the writer’s next read sees it', async () => {
    const ctx = await newTenant();
    const ran: string[] = [];
    await db.sharding.bulk(ctx, async (tx) => {
      tx.afterCommit(() => ran.push('after'));
      await tx.db.copyIn(copy, types, rowsOf(2));
      expect(ran).toEqual([]);
    });
    expect(ran).toEqual(['after']);
    const read = (tx: { db: { query(sql: string): Promise<unknown[]> } }) => tx.db.query('select id from loaded');
    expect(await db.sharding.read(ctx, read, { from: 'replica' })).toHaveLength(2);
  });

  it('[C-012] of 10,000 rows is at least ten times faster than one statement for each', async () => {
    const ctx = await newTenant();
    const rows = rowsOf(10_000);
    const timed = async (work: () => Promise<unknown>): Promise<number> => {
      const from = monotonicMs();
      await work();
      return monotonicMs() - from;
    };
    const singly = () =>
      db.sharding.bulk(ctx, async (tx) => {
        const insert = `insert into loaded (id, big, number, small, line, bytes, day, at)
                        values ($1, $2, $3, $4, $5, $6, $7, to_timestamp($8::float8 / 1000))`;
        for (const each of rows)
          await tx.db.execute(
            insert,
            each.map((value) => (typeof value === 'bigint' ? String(value) : value)),
          );
      });
    await load(ctx, rows);
    const inBulkMs = Math.min(await timed(() => load(ctx, rows)), await timed(() => load(ctx, rows)));
    const singlyMs = await timed(singly);
    expect(await count()).toBe(40_000);
    expect(singlyMs / inBulkMs).toBeGreaterThan(10);
  });
});
