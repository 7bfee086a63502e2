import type { Digest } from './move.js';
import { fail } from './moves.errors.js';
import type { Session } from './session.js';
import type { TenantTable } from './tenant-tables.js';

/** From here on the session sees the database as it stands now, whatever is committed meanwhile. */
export async function holdSnapshot(session: Session): Promise<void> {
  await session.query('begin isolation level repeatable read read only; select pg_current_snapshot()');
}

export const letSnapshotGo = (session: Session): Promise<unknown> => session.query('rollback');

/** Rows and a sum over 64 bits of each row's text, table by table, of the snapshot that the session holds. */
export async function digestOf(session: Session, tables: readonly TenantTable[], tenantId: string): Promise<Digest> {
  const digest: Record<string, Digest[string]> = {};
  for (const { name, columns } of tables) {
    const row = `row(${columns.map((column) => session.identifier(column)).join(', ')})`;
    digest[name] = await session.one(
      `select count(*)::float8 as rows, coalesce(sum(hashtextextended(${row}::text, 0)::numeric), 0)::text as sum
         from ${session.identifier(name)} where tenant_id = $1`,
      [tenantId],
    );
  }
  return digest;
}

/** Throws move.unequal with the names of the tables that differ. */
export function expectEqual(source: Digest, target: Digest): void {
  const names = Object.keys({ ...source, ...target });
  const unequal = names.filter(
    (name) => source[name]?.rows !== target[name]?.rows || source[name]?.sum !== target[name]?.sum,
  );
  if (unequal.length === 0) return;
  const told = unequal.map((name) => `${name} (${source[name]?.rows} rows, ${target[name]?.rows} on the target)`);
  throw fail('move.unequal', { internal: told.join(', ') });
}
