import { type Page, type PageRequest, toDate } from '#infra/kernel';
import { type Keyset, listed, type ReadContext, type WriteContext } from '#infra/sharding';
import type { Note, NoteId, NoteKey } from './note.js';
import type { PatientId } from './patient.js';

/** A note as its row has it: what it says is sealed. */
export interface NoteRow extends Omit<Note, 'text'> {
  readonly sealed: Buffer;
}

type Stored = Omit<NoteRow, 'writtenAt'> & { readonly writtenAt: Date };

const newestFirst: Keyset<Stored, NoteKey> = {
  columns: ['id'],
  descending: true,
  keyOf: ({ id }) => ({ id }),
  valuesOf: ({ id }) => [id],
};

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
  async list(tx: ReadContext, patientId: PatientId, page: PageRequest<NoteKey>): Promise<Page<NoteRow, NoteKey>> {
    const select = `select id, patient_id as "patientId", amends, content as sealed, written_by as "writtenBy",
        written_at as "writtenAt"
      from clinical_note where tenant_id = $1 and patient_id = $2`;
    const found = await listed(tx.db, { select, values: [tx.tenant.id, patientId] }, newestFirst, page);
    return { ...found, items: found.items.map((row) => ({ ...row, writtenAt: row.writtenAt.getTime() })) };
  }
}
