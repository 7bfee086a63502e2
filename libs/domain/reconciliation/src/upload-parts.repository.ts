import { type Instant, newId, toDate } from '#infra/kernel';
import type { ReadContext, SystemContext, WriteContext } from '#infra/sharding';
import type { StatementId } from './statement.js';

export interface UploadPart {
  readonly id: string;
  readonly sealed: Buffer;
}

export const newPartId = (): string => newId<string>();

/** Every statement about files on their way in. */
export class UploadPartsRepository {
  insert(tx: WriteContext, statementId: StatementId, partNo: number, { id, sealed }: UploadPart): void {
    tx.db.send(
      `insert into recon_upload_part (tenant_id, id, statement_id, part_no, bytes) values ($1, $2, $3, $4, $5)`,
      [tx.tenant.id, id, statementId, partNo, sealed],
    );
  }

  async read(tx: ReadContext, statementId: StatementId, partNo: number): Promise<UploadPart | undefined> {
    const [part] = await tx.db.query<UploadPart>(
      `select id, bytes as sealed from recon_upload_part where tenant_id = $1 and statement_id = $2 and part_no = $3`,
      [tx.tenant.id, statementId, partNo],
    );
    return part;
  }

  /** Uploads that began before `before` and never ended, at most `limit` of one database; how many. */
  async removeAbandoned(system: SystemContext, before: Instant, limit: number): Promise<number> {
    const [removed] = await system.db.query<{ statements: number }>(
      `with old as (
         select tenant_id, id from recon_statement where status = 'receiving' and created_at < $1
          order by created_at limit $2
       ), gone as (
         delete from recon_statement s using old
          where s.tenant_id = old.tenant_id and s.id = old.id and s.status = 'receiving' returning s.tenant_id, s.id
       ), parts as (
         delete from recon_upload_part p using gone where p.tenant_id = gone.tenant_id and p.statement_id = gone.id
       )
       select count(*)::int as statements from gone`,
      [toDate(before), limit],
    );
    return removed?.statements ?? 0;
  }
}
