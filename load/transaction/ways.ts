import { newId } from '#infra/kernel';
import type { Product } from './product.js';

/** The same transaction, sent in two ways. */
export interface Way {
  readonly name: string;
  /** One transaction, whole. */
  readonly once: () => Promise<void>;
}

const readText = `select name, key, created_at from outbox where tenant_id = $1 and id = $2`;
const writeText = `
  insert into outbox (tenant_id, id, kind, name, key, payload, request_id, created_at, next_at)
  values ($1, $2, 'fact', 'bench', 'bench', '{}', 'bench', '2026-01-01', '2026-01-01')`;
const positionText = 'select pg_current_wal_insert_lsn() as position';

export const kinds = ['read', 'write'] as const;
export type Kind = (typeof kinds)[number];

/** As the product sends it: BEGIN, the tenant's entry, the statement and COMMIT, in two flights. */
export function inOneFlight({ sharding, ctx }: Product, kind: Kind): Way {
  const tenantId = ctx.tenant.id;
  const once =
    kind === 'read'
      ? () => sharding.read(ctx, (tx) => tx.db.query(readText, [tenantId, newId()]))
      : () => sharding.write(ctx, (tx) => tx.db.execute(writeText, [tenantId, newId()]));
  return { name: 'in one flight', once: async () => void (await once()) };
}

/** As a driver is used elsewhere: the same statements, prepared, on the same pool, each one awaited before the next. */
export function oneByOne({ pool, ctx, epoch }: Product, kind: Kind): Way {
  const tenantId = ctx.tenant.id;
  const once = async (): Promise<void> => {
    const client = await pool.connect();
    const prepared = (name: string, text: string, values: unknown[]) =>
      client.query({ name: `one_by_one_${name}`, text, values });
    await client.query(kind === 'read' ? 'begin read only' : 'begin');
    await prepared('enter', 'select enter_tenant($1, $2)', [tenantId, epoch]);
    if (kind === 'read') await prepared('read', readText, [tenantId, newId()]);
    else await prepared('write', writeText, [tenantId, newId()]);
    await client.query('commit');
    if (kind === 'write') await client.query(positionText);
    client.release();
  };
  return { name: 'one by one', once };
}

/** So many callers, each with its next transaction as soon as the last one is done; how many were done. */
export async function underLoad({ once }: Way, callers: number, seconds: number): Promise<number> {
  const endsAt = performance.now() + seconds * 1_000;
  let done = 0;
  const caller = async (): Promise<void> => {
    while (performance.now() < endsAt) {
      await once();
      done += 1;
    }
  };
  await Promise.all(Array.from({ length: callers }, caller));
  return done;
}
