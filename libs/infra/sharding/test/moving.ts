import { Secret } from '#infra/config';
import { newId, type TenantContext, toDate } from '#infra/kernel';
import {
  directoryName,
  type MoveNews,
  type MoveOutcome,
  type MovePoint,
  type MoverOptions,
  moveTenant,
  type WriteContext,
} from '#infra/sharding';
import { type TestDatabases, testCluster } from '#infra/testing';

export const place = { table: 'patient', group: 'demographics' } as const;

/** The mover over the databases of a spec. */
export function moverOf(db: TestDatabases, further: Partial<MoverOptions> = {}): MoverOptions {
  const [server] = testCluster().servers;
  const url = (name: string) => new Secret(db.env[name] ?? '');
  return {
    admin: { user: server?.superuser.user ?? '', password: new Secret(server?.superuser.password ?? '') },
    directory: { name: directoryName, url: url('DIRECTORY_URL') },
    shards: [
      { name: 'shard-1', url: url('SHARD_1_URL'), replicas: [url('SHARD_1_REPLICAS')] },
      { name: 'shard-2', url: url('SHARD_2_URL'), replicas: [] },
    ],
    clock: db.clock,
    report: () => undefined,
    patienceMs: 60_000,
    ...further,
  };
}

/** Moves the tenant; everything that the mover told. */
export async function moved(
  db: TestDatabases,
  { tenant }: TenantContext,
  shardId: string,
  further: Partial<MoverOptions> = {},
): Promise<{ readonly outcome: MoveOutcome; readonly news: readonly MoveNews[] }> {
  const news: MoveNews[] = [];
  const options = moverOf(db, { report: (each) => void news.push(each), ...further });
  return { outcome: await moveTenant(options, { tenant: tenant.id, shardId }), news };
}

/** As a crash does: the mover ends at that point, undoes nothing, and its connections are gone. */
export async function killedAt(
  db: TestDatabases,
  { tenant }: TenantContext,
  shardId: string,
  point: MovePoint,
): Promise<void> {
  const killing = new AbortController();
  const report = (news: MoveNews) => {
    if (news.kind === 'point' && news.point === point) killing.abort(new Error(`killed at ${point}`));
  };
  const moving = moveTenant(moverOf(db, { report, signal: killing.signal }), { tenant: tenant.id, shardId });
  await moving.then(
    () => {
      throw new Error(`the move never came to ${point}`);
    },
    (error: Error) => {
      if (error !== killing.signal.reason) throw error;
    },
  );
}

/** Patients with their first versions, `rows` together, past every policy and in one statement. */
export async function fill(db: TestDatabases, database: string, tenantId: string, rows: number): Promise<void> {
  await db.asAdmin(
    database,
    `with born as (
       insert into patient (tenant_id, id, demographics, created_by, created_at, updated_at)
       select $1, gen_random_uuid(), sha512(n::text::bytea), 'test', $3, $3 from generate_series(1, $2::int) n
       returning id, demographics)
     insert into patient_version (tenant_id, id, patient_id, version, event, demographics, changed, actor_kind, at)
     select $1, gen_random_uuid(), id, 1, 'created', demographics, '{}', 'system', $3 from born`,
    [tenantId, rows / 2, toDate(db.clock.now())],
  );
}

/** A patient in an envelope with its first version, and a fact: three tables in one transaction. Its id. */
export async function admit(db: TestDatabases, ctx: TenantContext, id: string = newId()): Promise<string> {
  const sealed = await db.crypto.seal(ctx.tenant.id, { ...place, rowId: id }, Buffer.from(`patient ${id}`));
  const at = toDate(db.clock.now());
  await db.sharding.write(ctx, async (tx) => {
    tx.db.send(
      `insert into patient (tenant_id, id, demographics, created_by, created_at, updated_at) values ($1, $2, $3, 'test', $4, $4)`,
      [tx.tenant.id, id, sealed, at],
    );
    tx.db.send(
      `insert into patient_version (tenant_id, id, patient_id, version, event, demographics, changed, actor_kind, at)
       values ($1, $2, $3, 1, 'created', $4, '{}', 'system', $5)`,
      [tx.tenant.id, newId(), id, sealed, at],
    );
    announce(tx, id, at);
  });
  return id;
}

const announce = (tx: WriteContext, key: string, at: Date): void =>
  tx.db.send(
    `insert into outbox (tenant_id, id, kind, name, key, payload, request_id, created_at, next_at)
     values ($1, $2, 'fact', 'test', $3, '{}', 'r', $4, $4)`,
    [tx.tenant.id, newId(), key, at],
  );

export const patientsOf = async (db: TestDatabases, ctx: TenantContext): Promise<readonly string[]> =>
  db.sharding.read(ctx, async (tx) =>
    (await tx.db.query<{ id: string }>('select id from patient order by id')).map(({ id }) => id),
  );

export const rowsOn = async (db: TestDatabases, database: string, table: string, tenantId: string): Promise<number> =>
  Number(
    (
      await db.asAdmin<{ n: string }>(database, `select count(*) as n from ${table} where tenant_id = $1`, [tenantId])
    )[0]?.n,
  );

/** Everything that a tenant has on a shard, as text. */
export async function contentOn(db: TestDatabases, database: string, tenantId: string): Promise<readonly unknown[]> {
  const content = ['patient', 'patient_version', 'outbox', 'audit_event', 'idempotency_key', 'tenant_fence'].map(
    (table) =>
      db.asAdmin(
        database,
        `select '${table}' as name, t.*::text as row from ${table} t where tenant_id = $1 order by 2`,
        [tenantId],
      ),
  );
  return (await Promise.all(content)).flat();
}

/** What moves leave on a server while they last: subscriptions, publications, slots and roles of this spec's databases. */
export async function machinery(db: TestDatabases): Promise<readonly string[]> {
  const found = await Promise.all(
    ['shard-1', 'shard-2'].map((database) =>
      db.asAdmin<{ name: string }>(
        database,
        `select 'publication' as name from pg_publication
         union all select 'slot' from pg_replication_slots where database = current_database()
         union all select 'subscription' from pg_subscription s join pg_database d on d.oid = s.subdbid where d.datname = current_database()
         union all select 'login' from pg_database d, aclexplode(d.datacl) a join pg_roles r on r.oid = a.grantee
                    where d.datname = current_database() and r.rolname like 'praxis_move_%'`,
      ),
    ),
  );
  return found.flat().map(({ name }) => name);
}

/** Writers that admit patients one after the other until told to stop; what was acknowledged, and what was refused. */
export class Writers {
  readonly acknowledged: string[] = [];
  readonly refused: unknown[] = [];
  #stopped = false;
  readonly #running: Promise<void>[];

  constructor(db: TestDatabases, ctx: TenantContext, count: number) {
    this.#running = Array.from({ length: count }, async () => {
      while (!this.#stopped) {
        try {
          this.acknowledged.push(await admit(db, { ...ctx, deadline: db.clock.now() + 30_000 }));
        } catch (error) {
          this.refused.push(error);
        }
      }
    });
  }

  /** Resolves when so many more were acknowledged. */
  async more(count: number): Promise<void> {
    const enough = this.acknowledged.length + count;
    while (this.acknowledged.length < enough && this.refused.length === 0)
      await new Promise((resolve) => setTimeout(resolve, 5));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#running);
  }
}
