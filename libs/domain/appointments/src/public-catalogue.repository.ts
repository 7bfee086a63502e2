import { type Instant, newId, toDate } from '#infra/kernel';
import type { ReadContext, WriteContext } from '#infra/sharding';
import { closed, type Publication, type PublicLocation, type PublicService } from './public-catalogue.js';

/** Every statement about what a tenant shows to everybody: what is offered now, in order of creation. */
export class PublicCatalogueRepository {
  async publication(tx: ReadContext): Promise<Publication> {
    const sql = 'select open, version from public_catalogue where tenant_id = $1';
    return (await tx.db.query<Publication>(sql, [tx.tenant.id]))[0] ?? closed;
  }

  /** Undefined: `before` is no longer what is there. */
  async publish(tx: WriteContext, open: boolean, before: Publication, at: Instant): Promise<Publication | undefined> {
    const rows = await tx.db.query<Publication>(
      `insert into public_catalogue as c (tenant_id, id, open, version, updated_at) values ($1, $2, $3, $4 + 1, $5)
       on conflict on constraint public_catalogue_one
         do update set open = excluded.open, version = excluded.version, updated_at = excluded.updated_at
         where c.version = $4
       returning open, version`,
      [tx.tenant.id, newId(), open, before.version, toDate(at)],
    );
    return rows[0];
  }

  services(tx: ReadContext, limit: number): Promise<PublicService[]> {
    return tx.db.query<PublicService>(
      `select name, duration_min as "durationMin" from service where tenant_id = $1 and active order by id limit $2`,
      [tx.tenant.id, limit],
    );
  }

  locations(tx: ReadContext, limit: number): Promise<PublicLocation[]> {
    return tx.db.query<PublicLocation>(
      'select name, tz from location where tenant_id = $1 and active order by id limit $2',
      [tx.tenant.id, limit],
    );
  }
}
