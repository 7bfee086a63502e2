import { newId, type TenantContext } from '#infra/kernel';
import { openTestDatabases, type TestDatabases } from '#infra/testing';
import type { ReadDb, WriteContext } from './db.js';
import { fail } from './sharding.errors.js';

let db: TestDatabases;
const unhandled: unknown[] = [];
const onUnhandled = (reason: unknown) => void unhandled.push(reason);
beforeAll(async () => {
  process.on('unhandledRejection', onUnhandled);
  db = await openTestDatabases({ env: { DB_POOL_MAX: '1', DB_ACQUIRE_TIMEOUT: '5000' } });
});
afterAll(async () => {
  process.off('unhandledRejection', onUnhandled);
  await db?.close();
});

const insert = `insert into outbox (tenant_id, id, kind, name, key, payload, request_id, created_at, next_at)
                values ($1, $2, $3, 'test', $4, $5, 'r', '2026-01-01', '2026-01-01')`;
const row = (tx: WriteContext, key: string, { kind = 'fact', payload = {} as unknown } = {}) =>
  [tx.tenant.id, newId(), kind, key, payload] as const;
const keysOf = (ctx: TenantContext): Promise<string[]> =>
  db.sharding.read(ctx, async (tx) =>
    (await tx.db.query<{ key: string }>('select key from outbox order by id')).map(({ key }) => key),
  );
const wrongKind = { code: '23514', constraint: 'outbox_kind_check' };
const pidOf = async (tx: { readonly db: ReadDb }): Promise<number> =>
  (await tx.db.query<{ pid: number }>('select pg_backend_pid() as pid'))[0]?.pid ?? 0;
/** Ends the connection that a transaction runs on, as a restart of the server does. */
const cut = (pid: number) => db.asAdmin('shard-1', 'select pg_terminate_backend($1)', [pid]);
const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const newTenant = () => db.newTenant({ shardId: 'shard-1' });

describe('a connection that is lost', () => {
  it('fails its transaction as unavailable, not the process, and the next one gets another connection', async () => {
    const ctx = await newTenant();
    const cutIdle = db.sharding.read(ctx, async (tx) => {
      await cut(await pidOf(tx));
      await wait(100);
      return tx.db.query('select 1');
    });
    await expect(cutIdle).rejects.toMatchObject({ code: 'shard.unavailable', kind: 'unavailable' });
    const cutBusy = db.sharding.read(ctx, async (tx) => {
      const pid = await pidOf(tx);
      await Promise.all([tx.db.query('select pg_sleep(5)'), wait(100).then(() => cut(pid))]);
    });
    await expect(cutBusy).rejects.toMatchObject({ code: 'shard.unavailable' });
    expect(await keysOf(ctx)).toEqual([]);
  });

  it('keeps the refusal that a verb had already made', async () => {
    const ctx = await newTenant();
    const refused = db.sharding.write(ctx, async (tx) => {
      await cut(await pidOf(tx));
      throw fail('tenant.slug_taken');
    });
    await expect(refused).rejects.toMatchObject({ code: 'tenant.slug_taken' });
  });

  it('says that nobody knows, when it is lost while the commit is on its way', async () => {
    const ctx = await newTenant();
    await db.asAdmin(
      'shard-1',
      `create function cut_self() returns trigger language plpgsql security definer as $$
       begin perform pg_terminate_backend(pg_backend_pid()); return null; end $$;
       create constraint trigger cut after insert on outbox deferrable initially deferred
         for each row when (new.key = 'cut at commit') execute function cut_self()`,
    );
    const doubtful = db.sharding.write(ctx, (tx) => tx.db.execute(insert, row(tx, 'cut at commit')));
    await expect(doubtful).rejects.toMatchObject({ code: 'database.in_doubt', kind: 'unavailable' });
  });
});

describe('a commit that takes longer than anybody waits for a statement', () => {
  it('is in doubt, for it goes on: what becomes of it is not known when its time is over', async () => {
    const hasty = await openTestDatabases({ env: { DB_STATEMENT_TIMEOUT: '100' } });
    try {
      const ctx = await hasty.newTenant({ shardId: 'shard-1' });
      await hasty.asAdmin(
        'shard-1',
        `create function dawdle() returns trigger language plpgsql as $$ begin perform pg_sleep(4); return null; end $$;
         create constraint trigger dawdle after insert on outbox deferrable initially deferred
           for each row execute function dawdle()`,
      );
      const doubtful = hasty.sharding.write(ctx, (tx) => tx.db.execute(insert, row(tx, 'late')));
      await expect(doubtful).rejects.toMatchObject({ code: 'database.in_doubt', kind: 'unavailable' });
    } finally {
      await hasty.close();
    }
  }, 30_000);
});

describe('a statement', () => {
  it('that comes after the end of its transaction is refused, and never runs in another tenant’s', async () => {
    const [late, other] = [await newTenant(), await newTenant()];
    await db.sharding.write(other, (tx) => tx.db.execute(insert, row(tx, 'theirs')));
    let stray: Promise<unknown> = Promise.resolve();
    const failing = db.sharding.write(late, async (tx) => {
      stray = wait(150).then(() => tx.db.query('select key from outbox'));
      stray.catch(() => undefined);
      throw new Error('first of two');
    });
    await expect(failing).rejects.toThrow('first of two');
    const own = await db.sharding.read(other, async (tx) => {
      await tx.db.query('select pg_sleep(0.3)');
      return tx.db.query('select key from outbox');
    });
    expect(own).toEqual([{ key: 'theirs' }]);
    await expect(stray).rejects.toMatchObject({ code: 'database.aborted' });
  });

  it('that fails while nobody waits for it yet does not bring the process down', async () => {
    const ctx = await newTenant();
    const failing = db.sharding.write(ctx, async (tx) => {
      const first = tx.db.query('select 1 / 0');
      const second = tx.db.query('select 2');
      const third = tx.db.execute('select 3');
      await first;
      await second;
      await third;
    });
    await expect(failing).rejects.toMatchObject({ code: '22012' });
    await wait(50);
    expect(unhandled).toEqual([]);
  });

  it('whose values cannot be written fails the transaction though nobody awaits it, and the next use works', async () => {
    const ctx = await newTenant();
    const lost = db.sharding.write(ctx, async (tx) => {
      await tx.db.execute(insert, row(tx, 'before'));
      tx.db.send(`${insert} -- unwritable`, row(tx, 'lost', { payload: { big: 1n } }));
    });
    await expect(lost).rejects.toThrow(TypeError);
    await db.sharding.write(ctx, async (tx) => tx.db.send(`${insert} -- unwritable`, row(tx, 'kept')));
    expect(await keysOf(ctx)).toEqual(['kept']);
  });

  it('that could not be written is not forgotten because somebody swallowed its error; undone with its attempt it is', async () => {
    const ctx = await newTenant();
    const unwritable = (tx: WriteContext) => tx.db.execute(insert, row(tx, 'lost', { payload: { big: 1n } }));
    const swallowed = db.sharding.write(ctx, async (tx) => {
      await tx.db.execute(insert, row(tx, 'before'));
      await unwritable(tx).catch(() => undefined);
    });
    await expect(swallowed).rejects.toThrow(TypeError);
    await db.sharding.write(ctx, async (tx) => {
      await tx.db.execute(insert, row(tx, 'kept'));
      await tx.db.attempt(() => unwritable(tx)).catch(() => undefined);
    });
    expect(await keysOf(ctx)).toEqual(['kept']);
  });

  it('names the first failure, not the statement that could no longer be prepared after it', async () => {
    const ctx = await newTenant();
    const failing = db.sharding.write(ctx, async (tx) => {
      tx.db.send(insert, row(tx, 'wrong', { kind: 'neither' }));
      tx.db.send('select 1 as never_prepared');
      await tx.db.query('select 1 as never_prepared');
    });
    await expect(failing).rejects.toMatchObject(wrongKind);
  });

  it('whose plan a migration made stale fails once, and its connection is not used again', async () => {
    const ctx = await newTenant();
    await db.asAdmin('shard-1', 'create table widening (a int); grant select on widening to praxis_app');
    const read = () => db.sharding.read(ctx, (tx) => tx.db.query('select * from widening'));
    await read();
    await db.asAdmin('shard-1', 'alter table widening add column b int');
    await expect(read()).rejects.toMatchObject({ code: '0A000' });
    expect(await read()).toEqual([]);
    await db.asAdmin('shard-1', 'drop table widening');
  });
});

describe('an attempt', () => {
  const failInside = (tx: WriteContext, key: string) =>
    tx.db.attempt(async () => {
      await tx.db.query(`select '${key}'::int`).catch(() => undefined);
      return undefined;
    });

  it('that was undone is not blamed for a later failure', async () => {
    const failing = db.sharding.write(await newTenant(), async (tx) => {
      await failInside(tx, 'swallowed');
      tx.db.send(insert, row(tx, 'wrong', { kind: 'neither' }));
      await tx.db.query('select 1');
    });
    await expect(failing).rejects.toMatchObject(wrongKind);
  });

  it('tells its caller the failure of a statement that it did not await', async () => {
    let seen: unknown;
    const ctx = await newTenant();
    await db.sharding.write(ctx, async (tx) => {
      const attempted = tx.db.attempt(async () => {
        tx.db.send(insert, row(tx, 'wrong', { kind: 'neither' }));
        return tx.db.query('select 1');
      });
      seen = await attempted.catch((error: unknown) => error);
      await tx.db.execute(insert, row(tx, 'after'));
    });
    expect(seen).toMatchObject(wrongKind);
    expect(await keysOf(ctx)).toEqual(['after']);
  });

  it('leaves a failure from before it to be the one that is told', async () => {
    const failing = db.sharding.write(await newTenant(), async (tx) => {
      tx.db.send(insert, row(tx, 'wrong', { kind: 'neither' }));
      await tx.db.attempt(() => tx.db.query('select 1'));
    });
    await expect(failing).rejects.toMatchObject(wrongKind);
  });

  it('inside another undoes its own part only; the outer one undoes both', async () => {
    const ctx = await newTenant();
    await db.sharding.write(ctx, async (tx) => {
      await tx.db.attempt(async () => {
        await tx.db.execute(insert, row(tx, 'outer'));
        await tx.db.attempt(() => tx.db.execute(insert, row(tx, 'inner', { kind: 'neither' }))).catch(() => undefined);
        await failInside(tx, 'innermost');
        return true;
      });
      await tx.db.attempt(async () => {
        await tx.db.attempt(() => tx.db.execute(insert, row(tx, 'inner kept, then undone')));
        return undefined;
      });
    });
    expect(await keysOf(ctx)).toEqual(['outer']);
  });

  it('leaves no savepoint behind', async () => {
    const ctx = await newTenant();
    const left = await db.sharding.write(ctx, async (tx) => {
      await tx.db.attempt(async () => undefined);
      await tx.db.attempt(() => tx.db.query('select 1 / 0')).catch(() => undefined);
      const codes: string[] = [];
      for (const name of ['attempt_1', 'attempt_2'])
        await tx.db
          .attempt(() => tx.db.query(`release savepoint ${name}`))
          .catch((error: { code: string }) => codes.push(error.code));
      return codes;
    });
    expect(left).toEqual(['3B001', '3B001']);
  });

  it('frees the locks of what it undid', async () => {
    const ctx = await newTenant();
    await db.sharding.write(ctx, async (tx) => {
      await tx.db.attempt(async () => {
        await tx.db.query('select pg_advisory_xact_lock(77)');
        return undefined;
      });
      await tx.db.query('select 1');
      const [other] = await db.asAdmin<{ free: boolean }>('shard-1', 'select pg_try_advisory_lock(77) as free');
      expect(other?.free).toBe(true);
    });
  });
});

describe('what follows a commit', () => {
  it('runs every hook, and a hook that fails does not fail the write', async () => {
    const ctx = await newTenant();
    const ran: string[] = [];
    await db.sharding.write(ctx, async (tx) => {
      tx.afterCommit(() => {
        throw new Error('nudge lost');
      });
      tx.afterCommit(() => ran.push('second'));
      await tx.db.execute(insert, row(tx, 'kept'));
    });
    expect(ran).toEqual(['second']);
    expect(await keysOf(ctx)).toEqual(['kept']);
  });
});

describe('keys of the directory', () => {
  it('are fetched for writes of the directory itself though these hold all its connections', async () => {
    const tenants = await Promise.all(Array.from({ length: 4 }, newTenant));
    const idempotency = { key: 'k', route: '/test', fingerprint: Buffer.alloc(32) };
    const posts = tenants.map((ctx) =>
      db.sharding.directory.writeOnce(
        { ...ctx, idempotency: { ...idempotency, outcome: 'unused' } },
        async () => 'made',
      ),
    );
    expect(await Promise.all(posts)).toEqual(Array.from({ length: 4 }, () => 'made'));
  });
});
