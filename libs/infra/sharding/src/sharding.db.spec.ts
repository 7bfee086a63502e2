import { newId, type TenantContext } from '#infra/kernel';
import { openTestDatabases, type TestDatabases } from '#infra/testing';
import type { WriteContext } from './db.js';

let db: TestDatabases;
beforeAll(async () => {
  db = await openTestDatabases({ env: { DB_POOL_MAX: '2', DB_ACQUIRE_TIMEOUT: '20000', DB_QUEUE_LIMIT: '1000' } });
});
afterAll(() => db?.close());

const addOutbox = (tx: WriteContext, key: string) =>
  tx.db.execute(
    `insert into outbox (tenant_id, id, kind, name, key, payload, request_id, created_at, next_at)
     values ($1, $2, 'fact', 'test', $3, '{}', $4, $5, $5)`,
    [tx.tenant.id, newId(), key, tx.requestId, new Date(db.clock.now())],
  );
const keysOf = async (ctx: TenantContext): Promise<string[]> =>
  db.sharding.read(ctx, async (tx) =>
    (await tx.db.query<{ key: string }>('select key from outbox order by id')).map((row) => row.key),
  );

describe('a tenant’s transaction', () => {
  it('sees and writes the rows of its tenant and no other, on whichever shard each lives', async () => {
    const here = await db.newTenant({ shardId: 'shard-1' });
    const beside = await db.newTenant({ shardId: 'shard-1' });
    const there = await db.newTenant({ shardId: 'shard-2' });
    for (const ctx of [here, beside, there]) await db.sharding.write(ctx, (tx) => addOutbox(tx, ctx.tenant.id));
    for (const ctx of [here, beside, there]) expect(await keysOf(ctx)).toEqual([ctx.tenant.id]);
  });

  it('cannot write a row of another tenant', async () => {
    const mine = await db.newTenant({ shardId: 'shard-1' });
    const other = await db.newTenant({ shardId: 'shard-1' });
    const smuggled = db.sharding.write(mine, (tx) => addOutbox({ ...tx, tenant: other.tenant }, 'smuggled'));
    await expect(smuggled).rejects.toMatchObject({ code: '42501' });
    expect(await keysOf(other)).toEqual([]);
  });

  it('keeps nothing when it fails, and the connection serves the next tenant clean', async () => {
    const [failing, next] = [await db.newTenant({ shardId: 'shard-1' }), await db.newTenant({ shardId: 'shard-1' })];
    const boom = db.sharding.write(failing, async (tx) => {
      await addOutbox(tx, 'lost');
      throw new Error('boom');
    });
    await expect(boom).rejects.toThrow('boom');
    expect(await keysOf(failing)).toEqual([]);
    expect(await keysOf(next)).toEqual([]);
  });

  it('fails with the error of a statement that nobody awaited', async () => {
    const ctx = await db.newTenant();
    const silent = db.sharding.write(ctx, async (tx) => tx.db.send('insert into outbox (tenant_id) values (null)'));
    await expect(silent).rejects.toMatchObject({ code: expect.stringMatching(/^(23502|42501)$/) });
  });

  it('never reports success when a swallowed error has already undone it', async () => {
    const ctx = await db.newTenant();
    const swallowed = db.sharding.write(ctx, async (tx) => {
      await addOutbox(tx, 'gone');
      await tx.db.query('select 1 / 0').catch(() => undefined);
    });
    await expect(swallowed).rejects.toMatchObject({ code: '22012' });
    expect(await keysOf(ctx)).toEqual([]);
  });

  it('undoes an attempt that answers nothing, keeps the rest, and survives an error inside one', async () => {
    const ctx = await db.newTenant();
    await db.sharding.write(ctx, async (tx) => {
      await addOutbox(tx, 'kept');
      await tx.db.attempt(async () => {
        await addOutbox(tx, 'undone');
        return undefined;
      });
      await tx.db.attempt(() => tx.db.query('select 1 / 0')).catch(() => undefined);
      await tx.db.attempt(() => addOutbox(tx, 'second'));
    });
    expect(await keysOf(ctx)).toEqual(['kept', 'second']);
  });

  it('is refused where the directory is out of date about its epoch, after asking the directory once more', async () => {
    const ctx = await db.newTenant({ shardId: 'shard-1' });
    await db.asAdmin('shard-1', 'update tenant_fence set epoch = 2 where tenant_id = $1', [ctx.tenant.id]);
    await expect(keysOf(ctx)).rejects.toMatchObject({ code: 'tenant.moving', kind: 'unavailable' });
    await db.asAdmin('directory', 'update tenant set epoch = 2 where id = $1', [ctx.tenant.id]);
    expect(await keysOf(ctx)).toEqual([]);
  });

  it('reads nothing of a fenced tenant, even in the same flight', async () => {
    const ctx = await db.newTenant({ shardId: 'shard-2' });
    await db.sharding.write(ctx, (tx) => addOutbox(tx, 'secret'));
    await db.asAdmin('shard-2', `update tenant_fence set state = 'fenced' where tenant_id = $1`, [ctx.tenant.id]);
    let seen: unknown[] = [];
    const reading = db.sharding.read(ctx, async (tx) => {
      seen = await tx.db.query('select * from outbox').catch(() => []);
    });
    await expect(reading).rejects.toMatchObject({ code: 'tenant.moving' });
    expect(seen).toEqual([]);
    const judging = db.sharding.read(ctx, async () => {
      throw new Error('judged before anything was read');
    });
    await expect(judging).rejects.toMatchObject({ code: 'tenant.moving' });
  });

  it('cancels a statement at the request’s deadline and gives the connection back', async () => {
    const ctx = await db.newTenant();
    const hurried = { ...ctx, deadline: db.clock.now() + 200 };
    const slow = db.sharding.read(hurried, (tx) => tx.db.query('select pg_sleep(5)'));
    await expect(slow).rejects.toMatchObject({ code: 'database.timeout' });
    expect(await keysOf(ctx)).toEqual([]);
  });

  it('runs hooks after the commit only', async () => {
    const ctx = await db.newTenant();
    const ran: string[] = [];
    await db.sharding.write(ctx, async (tx) => tx.afterCommit(() => ran.push('committed')));
    await expect(
      db.sharding.write(ctx, async (tx) => {
        tx.afterCommit(() => ran.push('never'));
        throw new Error('no');
      }),
    ).rejects.toThrow('no');
    expect(ran).toEqual(['committed']);
  });
});

describe('1,000 interleaved requests of 20 tenants on a pool of 2', () => {
  /** Each nth request is one of these, and must fail in its way and no other. */
  const troubles = [
    { each: 11, sql: 'select 1 / 0', code: '22012' },
    { each: 37, sql: 'select pg_cancel_backend(pg_backend_pid()), pg_sleep(5)', code: 'database.timeout' },
    { each: 61, sql: 'select pg_terminate_backend(pg_backend_pid()), pg_sleep(5)', code: 'shard.unavailable' },
    { each: 97, sql: 'select pg_sleep(5)', code: 'database.timeout', leftMs: 30 },
  ] as const;

  it('give each row to its caller, with errors, timeouts, cancelled statements and lost connections between', async () => {
    const tenants = await Promise.all(Array.from({ length: 20 }, () => db.newTenant()));
    await Promise.all(tenants.map((ctx) => db.sharding.write(ctx, (tx) => addOutbox(tx, ctx.tenant.id))));
    const outcomes = await Promise.all(
      Array.from({ length: 1_000 }, async (_, n) => {
        const ctx = tenants[n % tenants.length] as TenantContext;
        const trouble = troubles.find(({ each }) => n % each === 0);
        if (trouble === undefined) return (await keysOf(ctx)).join() === ctx.tenant.id ? 'own row' : 'foreign row';
        const leftMs = 'leftMs' in trouble ? trouble.leftMs : 60_000;
        const asked = { ...ctx, deadline: db.clock.now() + leftMs };
        const code = await db.sharding
          .read(asked, (tx) => tx.db.query(trouble.sql))
          .then(
            () => 'answered',
            (error: { code?: string }) => error.code,
          );
        return code === trouble.code ? 'its own trouble' : `${trouble.sql}: ${code}`;
      }),
    );
    expect(new Set(outcomes)).toEqual(new Set(['own row', 'its own trouble']));
  });
});

describe('an Idempotency-Key', () => {
  const request = (key: string, body = 'a') => ({
    key,
    route: '/test',
    fingerprint: Buffer.alloc(32, body),
    outcome: 'unused' as const,
  });
  const post = (ctx: TenantContext, key: string, body?: string) => {
    const idempotency = { ...request(key, body) };
    return db.sharding
      .writeOnce({ ...ctx, idempotency }, async (tx) => {
        await addOutbox(tx, key);
        return { made: newId() };
      })
      .then((answer) => ({ answer, outcome: idempotency.outcome as string }));
  };

  it('gives the stored answer to a repeat, and has one effect', async () => {
    const ctx = await db.newTenant();
    const first = await post(ctx, 'k1');
    const second = await post(ctx, 'k1');
    expect([first.outcome, second.outcome]).toEqual(['stored', 'replayed']);
    expect(second.answer).toEqual(first.answer);
    expect(await keysOf(ctx)).toEqual(['k1']);
  });

  it('is refused for another request, and belongs to its tenant and actor', async () => {
    const [ctx, other] = [await db.newTenant(), await db.newTenant()];
    await post(ctx, 'k2');
    await expect(post(ctx, 'k2', 'b')).rejects.toMatchObject({ code: 'idempotency.mismatch', kind: 'invalid' });
    expect((await post(other, 'k2')).outcome).toBe('stored');
    const colleague = { ...ctx, actor: { kind: 'system', name: 'colleague' } as const };
    expect((await post(colleague, 'k2', 'b')).outcome).toBe('stored');
  });

  it('lets one of 50 parallel posts through; the others get its answer or are told to wait', async () => {
    const ctx = await db.newTenant();
    const results = await Promise.allSettled(Array.from({ length: 50 }, () => post(ctx, 'k3')));
    const answers = results.flatMap((r) => (r.status === 'fulfilled' ? [JSON.stringify(r.value.answer)] : []));
    const refusals = results.flatMap((r) => (r.status === 'rejected' ? [r.reason.code] : []));
    expect(new Set(answers).size).toBe(1);
    expect(new Set(refusals)).toEqual(new Set(refusals.length > 0 ? ['idempotency.in_progress'] : []));
    expect(await keysOf(ctx)).toEqual(['k3']);
  });

  it('is not busy because another actor’s name and key spell the same', async () => {
    const ctx = await db.newTenant();
    const as = (name: string): TenantContext => ({ ...ctx, actor: { kind: 'system', name } });
    const inner = await db.sharding.writeOnce({ ...as('a'), idempotency: request('bc') }, () => post(as('ab'), 'c'));
    expect(inner.outcome).toBe('stored');
  });

  it('is busy while its first post is at work, and free again when it has expired', async () => {
    const ctx = await db.newTenant({ shardId: 'shard-1' });
    await db.sharding.writeOnce({ ...ctx, idempotency: request('k6') }, async () => {
      await expect(post(ctx, 'k6')).rejects.toMatchObject({ code: 'idempotency.in_progress', kind: 'conflict' });
    });
    expect(await db.sharding.writeOnce({ ...ctx, idempotency: request('k6') }, async () => 'again')).toBeUndefined();
    const earlier = new Date(db.clock.now() - 1);
    await db.asAdmin('shard-1', 'update idempotency_key set expires_at = $1 where key = $2', [earlier, 'k6']);
    expect((await post(ctx, 'k6', 'another body')).outcome).toBe('stored');
    expect((await post(ctx, 'k6', 'another body')).outcome).toBe('replayed');
  });

  it('covers one effect: a second one under it is a mistake of the code', async () => {
    const ctx = { ...(await db.newTenant()), idempotency: request('k7') };
    await db.sharding.writeOnce(ctx, async () => 'first');
    await expect(db.sharding.writeOnce(ctx, async () => 'second')).rejects.toMatchObject({ code: 'database.aborted' });
  });

  it('is free again after a refusal: refusals are not stored', async () => {
    const ctx = await db.newTenant();
    const refused = db.sharding.writeOnce({ ...ctx, idempotency: request('k4') }, async () => {
      throw new Error('refused');
    });
    await expect(refused).rejects.toThrow('refused');
    expect((await post(ctx, 'k4')).outcome).toBe('stored');
  });

  it('keeps the answer unreadable in the table', async () => {
    const ctx = await db.newTenant({ shardId: 'shard-1' });
    await db.sharding.writeOnce({ ...ctx, idempotency: request('k5') }, async () => ({ name: 'Zebulon Quirke' }));
    const [row] = await db.asAdmin<{ answer: Buffer }>(
      'shard-1',
      'select answer from idempotency_key where tenant_id = $1',
      [ctx.tenant.id],
    );
    expect(row?.answer.length).toBeGreaterThan(20);
    expect(row?.answer.toString('latin1')).not.toContain('Zebulon');
  });
});

describe('the relay', () => {
  it('sees the rows of every tenant in the tables opened to it, and a broken database stops no other', async () => {
    const [one, two] = [await db.newTenant({ shardId: 'shard-1' }), await db.newTenant({ shardId: 'shard-2' })];
    for (const ctx of [one, two]) await db.sharding.write(ctx, (tx) => addOutbox(tx, 'due'));
    const results = await db.sharding.eachShard(db.newContext(), async ({ database, db: relay }) => {
      if (database === 'shard-2') throw new Error('down');
      return relay.query<{ tenant_id: string }>(`select tenant_id from outbox where key = 'due'`);
    });
    expect(results.map((r) => [r.database, r.error !== undefined])).toEqual([
      ['shard-1', false],
      ['shard-2', true],
    ]);
    expect(results[0]?.value?.map((row) => row.tenant_id)).toContain(one.tenant.id);
    const refused = await db.sharding.eachShard(db.newContext(), ({ db: relay }) =>
      relay.query('select * from audit_event'),
    );
    expect(refused.map((r) => (r.error as { code: string }).code)).toEqual(['42501', '42501']);
  });
});

describe('the directory', () => {
  it('places new tenants on the emptier of two shards', async () => {
    const gap = async () => {
      const counts = await db.asAdmin<{ n: string }>('directory', 'select count(*) as n from tenant group by shard_id');
      return Math.abs(Number(counts[0]?.n ?? 0) - Number(counts[1]?.n ?? 0));
    };
    const before = await gap();
    for (let n = 0; n < 12; n += 1) await db.newTenant();
    expect(await gap()).toBeLessThanOrEqual(Math.max(1, before - 12));
  });

  it('refuses a short name twice and knows no stranger', async () => {
    const tenant = { slug: 'twice', name: 'Twice', plan: 'FREE' } as const;
    await db.sharding.tenants.create(tenant);
    const fences = async () => {
      const counts = ['shard-1', 'shard-2'].map((shard) =>
        db.asAdmin<{ n: string }>(shard, 'select count(*) as n from tenant_fence'),
      );
      return (await Promise.all(counts)).map(([count]) => count?.n);
    };
    const before = await fences();
    await expect(db.sharding.tenants.create(tenant)).rejects.toMatchObject({ code: 'tenant.slug_taken' });
    expect(await fences()).toEqual(before);
    await expect(db.sharding.tenants.bySlug('nobody')).rejects.toMatchObject({ code: 'tenant.not_found' });
    await expect(db.sharding.tenants.byId(newId())).rejects.toMatchObject({ code: 'tenant.not_found' });
  });
});
