import { type Page, type PageRequest, pageOf, toDate } from '#infra/kernel';
import type { ReadContext, WriteContext } from '#infra/sharding';
import type { Note, NoteId, NoteKey } from './note.js';
import type { PatientId } from './patient.js';

/** A note as its row has it: what it says is sealed. */
export interface NoteRow extends Omit<Note, 'text'> {
  readonly sealed: Buffer;
}

type Stored = Omit<NoteRow, 'writtenAt'> & { readonly writtenAt: Date };

/** Greater than every id. */
const beyond = 'ffffffff-ffff-ffff-ffff-ffffffffffff';

/** Every statement about clinical notes. */
export class NotesRepository {
  insert(tx: WriteContext, { id, patientId, amends, sealed, writtenBy, writtenAt }: NoteRow): void {
    tx.db.send(
      `insert into clinical_note (tenant_id, id, patient_id, amends, content, written_by, written_at)
       values ($1, $2, $3, $4, $5, $6, $7)`,
      [tx.tenant.id, id, patientId, amends, sealed, writtenBy, toDate(writtenAt)],
    );
  }

  async exists(tx: ReadContext, patientId: PatientId, id: NoteId): Promise<boolean> {
    const rows = await tx.db.query('select from clinical_note where tenant_id = $1 and id = $2 and patient_id = $3', [
      tx.tenant.id,
      id,
      patientId,
    ]);
    return rows.length > 0;
  }

  /** Newest first. */
  async list(
    tx: ReadContext,
    patientId: PatientId,
    { limit, after, skip = 0 }: PageRequest<NoteKey>,
  ): Promise<Page<NoteRow, NoteKey>> {
    const rows = await tx.db.query<Stored>(
      `select id, patient_id as "patientId", amends, content as sealed, written_by as "writtenBy", written_at as "writtenAt"
         from clinical_note where tenant_id = $1 and patient_id = $2 and id < $3 order by id desc limit $4 offset $5`,
      [tx.tenant.id, patientId, after?.id ?? beyond, limit + 1, skip],
    );
    const read = rows.map((row): NoteRow => ({ ...row, writtenAt: row.writtenAt.getTime() }));
    return pageOf(read, limit, ({ id }) => ({ id }));
  }
}
