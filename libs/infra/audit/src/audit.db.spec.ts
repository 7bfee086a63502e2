import { newId, type SessionId, type TenantContext, type UserId } from '#infra/kernel';
import { openTestDatabases, type TestDatabases } from '#infra/testing';

let db: TestDatabases;
beforeAll(async () => {
  db = await openTestDatabases();
});
afterAll(() => db?.close());

interface Row {
  readonly action: string;
  readonly outcome: string;
  readonly actor_type: string;
  readonly actor_id: string;
  readonly subject_count: number;
  readonly resource_id: string | null;
}
const eventsOf = (ctx: TenantContext): Promise<Row[]> =>
  db.sharding.read(ctx, (tx) =>
    tx.db.query<Row>(
      'select action, outcome, actor_type, actor_id, subject_count, resource_id from audit_event order by id',
    ),
  );

describe('the record of who saw or changed what', () => {
  it('names the user, the thing and the outcome of a change, in the change’s own transaction', async () => {
    const system = await db.newTenant();
    const user = newId<UserId>();
    const actor = { kind: 'user', id: user, sessionId: newId<SessionId>(), permissions: new Set<string>() } as const;
    const ctx: TenantContext = { ...system, actor };
    const resourceId = newId();
    await db.sharding.write(ctx, (tx) =>
      db.audit.record(tx, { action: 'card.issue', resourceType: 'card', resourceId }),
    );
    await expect(
      db.sharding.write(ctx, async (tx) => {
        await db.audit.record(tx, { action: 'card.revoke', resourceType: 'card' });
        throw new Error('undone');
      }),
    ).rejects.toThrow('undone');
    expect(await eventsOf(ctx)).toEqual([
      {
        action: 'card.issue',
        outcome: 'success',
        actor_type: 'user',
        actor_id: user,
        subject_count: 0,
        resource_id: resourceId,
      },
    ]);
  });

  it('keeps one row for each thing of a person that a list showed', async () => {
    const ctx = await db.newTenant();
    const subjectIds = [newId(), newId(), newId()];
    await db.audit.recordRead(ctx, { action: 'card.list', resourceType: 'card', subjectIds });
    const [event] = await eventsOf(ctx);
    expect(event).toMatchObject({ action: 'card.list', subject_count: 3 });
    const shown = await db.sharding.read(ctx, (tx) =>
      tx.db.query<{ subject_id: string }>('select subject_id from audit_subject'),
    );
    expect(shown.map((row) => row.subject_id).sort()).toEqual([...subjectIds].sort());
  });

  it('keeps refused attempts', async () => {
    const ctx = await db.newTenant();
    await db.audit.recordDenied(ctx, 'card.revoke');
    expect(await eventsOf(ctx)).toMatchObject([{ action: 'card.revoke', outcome: 'denied' }]);
  });

  it('throws when a read cannot be recorded, so that nothing is shown', async () => {
    const ctx = await db.newTenant({ shardId: 'shard-1' });
    await db.asAdmin('shard-1', 'revoke insert on audit_event from praxis_app');
    try {
      const recording = db.audit.recordRead(ctx, { action: 'card.list', resourceType: 'card' });
      await expect(recording).rejects.toMatchObject({ code: 'audit.unavailable', kind: 'unavailable' });
    } finally {
      await db.asAdmin('shard-1', 'grant insert on audit_event to praxis_app');
    }
  });

  it('records reads that come together in few transactions, each as whoever it was', async () => {
    const system = await db.newTenant({ shardId: 'shard-1' });
    const callers = Array.from({ length: 250 }, (_, n): TenantContext => {
      const actor = {
        kind: 'user',
        id: newId<UserId>(),
        sessionId: newId<SessionId>(),
        permissions: new Set<string>(),
      };
      return { ...system, actor, requestId: `read-${n}`, ip: `203.0.113.${n}` } as TenantContext;
    });
    const shown = callers.map(() => newId());
    await Promise.all(
      callers.map((ctx, n) =>
        db.audit.recordRead(ctx, {
          action: 'card.read',
          resourceType: 'card',
          resourceId: String(shown[n]),
          subjectIds: [String(shown[n])],
          fields: ['number', 'level'],
        }),
      ),
    );
    const rows = await db.asAdmin<Record<string, unknown>>(
      'shard-1',
      `select e.actor_id, e.request_id, host(e.ip) as ip, e.resource_id, e.fields, s.subject_id, e.xmin::text as transaction
         from audit_event e join audit_subject s on s.tenant_id = e.tenant_id and s.event_id = e.id
        where e.tenant_id = $1 order by substr(e.request_id, 6)::int`,
      [system.tenant.id],
    );
    const expected = callers.map(({ actor, requestId, ip }, n) => ({
      actor_id: 'id' in actor && actor.id,
      request_id: requestId,
      ip,
      resource_id: shown[n],
      fields: ['number', 'level'],
      subject_id: shown[n],
    }));
    expect(rows.map(({ transaction: _, ...row }) => row)).toEqual(expected);
    expect(new Set(rows.map(({ transaction }) => transaction)).size).toBeLessThanOrEqual(4);
  });

  it('records what comes right after many in one transaction, and does not begin with the first of it', async () => {
    const ctx = await db.newTenant({ shardId: 'shard-1' });
    const read = (n: number) =>
      db.audit.recordRead({ ...ctx, requestId: `after-${n}` }, { action: 'card.list', resourceType: 'card' });
    const transactions = async (from: number) => {
      const rows = await db.asAdmin<{ transaction: string }>(
        'shard-1',
        `select xmin::text as transaction from audit_event
          where tenant_id = $1 and substr(request_id, 7)::int >= $2`,
        [ctx.tenant.id, from],
      );
      return new Set(rows.map(({ transaction }) => transaction)).size;
    };
    await Promise.all(Array.from({ length: 20 }, (_, n) => read(n)));
    await Promise.all([read(100), read(101), read(102)]);
    expect(await transactions(100)).toBe(1);
    await Promise.all([read(200), read(201), read(202)]);
    expect(await transactions(200)).toBe(2);
  });

  it('one event that the database refuses does not keep those beside it from being recorded', async () => {
    const ctx = await db.newTenant();
    const read = (ip: string) =>
      db.audit.recordRead({ ...ctx, ip }, { action: 'card.list', resourceType: 'card' }).then(
        () => 'recorded',
        (error: { code: string }) => error.code,
      );
    const outcomes = await Promise.all(['203.0.113.1', '203.0.113.2', 'nowhere', '203.0.113.3'].map(read));
    expect(outcomes).toEqual(['recorded', 'recorded', 'audit.unavailable', 'recorded']);
    expect(await eventsOf(ctx)).toHaveLength(3);
  });

  it('refuses the one that would wait behind a thousand', async () => {
    const ctx = await db.newTenant();
    const reads = Array.from({ length: 1_002 }, () =>
      db.audit.recordRead(ctx, { action: 'card.list', resourceType: 'card' }).then(
        () => 'recorded',
        (error: { code: string }) => error.code,
      ),
    );
    const outcomes = await Promise.all(reads);
    expect(outcomes.filter((outcome) => outcome === 'recorded')).toHaveLength(1_001);
    expect(outcomes.at(-1)).toBe('audit.unavailable');
    expect(await eventsOf(ctx)).toHaveLength(1_001);
  });

  it('lands in the partition of its month', async () => {
    const ctx = await db.newTenant({ shardId: 'shard-1' });
    await db.audit.recordRead(ctx, { action: 'card.list', resourceType: 'card' });
    const [row] = await db.asAdmin<{ partition: string; month: string }>(
      'shard-1',
      `select tableoid::regclass::text as partition, to_char(at at time zone 'UTC', 'YYYY_MM') as month
         from audit_event where tenant_id = $1`,
      [ctx.tenant.id],
    );
    expect(row?.partition).toBe(`audit_event_${row?.month}`);
  });
});
