import { type Page, type PageRequest, toDate } from '#infra/kernel';
import { type Keyset, listed, type ReadContext, violatedConstraint, type WriteContext } from '#infra/sharding';
import { actorIdOf } from './actor.js';
import { fail } from './reconciliation.errors.js';
import type { NewestKey, Source, SourceId } from './source.js';

type Stored = Omit<Source, 'createdAt'> & { readonly createdAt: Date };

const columns = 'id, code, name, kind, currency, mapping, created_at as "createdAt"';
const newestFirst: Keyset<Stored, NewestKey> = {
  columns: ['id'],
  descending: true,
  keyOf: ({ id }) => ({ id }),
  valuesOf: ({ id }) => [id],
};

/** Every statement about sources. */
export class SourcesRepository {
  /** Throws source.code_taken. */
  async insert(tx: WriteContext, { id, code, name, kind, currency, mapping, createdAt }: Source): Promise<void> {
    const inserted = tx.db.execute(
      `insert into recon_source (tenant_id, id, code, name, kind, currency, mapping, created_by, created_at)
       values ($1, $2, $3, $4, $5, $6, $7::jsonb, $8, $9)`,
      [tx.tenant.id, id, code, name, kind, currency, mapping, actorIdOf(tx), toDate(createdAt)],
    );
    await inserted.catch((error: unknown) => {
      throw violatedConstraint(error) === 'recon_source_code' ? fail('source.code_taken') : error;
    });
  }

  async read(tx: ReadContext, id: SourceId): Promise<Source | undefined> {
    const sql = `select ${columns} from recon_source where tenant_id = $1 and id = $2`;
    return (await tx.db.query<Stored>(sql, [tx.tenant.id, id])).map(withInstants)[0];
  }

  /** Newest first. */
  async list(tx: ReadContext, page: PageRequest<NewestKey>): Promise<Page<Source, NewestKey>> {
    const select = `select ${columns} from recon_source where tenant_id = $1`;
    const found = await listed(tx.db, { select, values: [tx.tenant.id] }, newestFirst, page);
    return { ...found, items: found.items.map(withInstants) };
  }

  /** Waits for another ingest of the source's files; new uploads are not held up. */
  async lock(tx: WriteContext, id: SourceId): Promise<void> {
    await tx.db.query('select from recon_source where tenant_id = $1 and id = $2 for no key update', [
      tx.tenant.id,
      id,
    ]);
  }
}

const withInstants = (row: Stored): Source => ({ ...row, createdAt: row.createdAt.getTime() });
