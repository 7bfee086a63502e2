import { type Page, type PageRequest, toDate } from '#infra/kernel';
import { type Keyset, listed, type ReadContext, type WriteContext } from '#infra/sharding';
import { actorIdOf } from './actor.js';
import type { Demographics, Patient, PatientId, PatientKey, VersionEntry } from './patient.js';

/** A patient as the row has it: who it is is sealed. */
export interface PatientRow extends Omit<Patient, keyof Demographics> {
  readonly sealed: Buffer;
}

export interface VersionRow extends VersionEntry {
  readonly id: string;
  readonly sealed: Buffer;
}

/** What a version adds to the history besides the patient itself. */
export type Remark = Pick<VersionRow, 'id' | 'event' | 'restoredFrom' | 'changed' | 'sealed'>;

type Stored<T> = Omit<T, 'createdAt' | 'updatedAt' | 'at'> & {
  readonly [K in keyof T & ('createdAt' | 'updatedAt' | 'at')]: Date;
};

const columns = `id, version, demographics as sealed, created_at as "createdAt", updated_at as "updatedAt"`;
const entryColumns = `version, event, restored_from as "restoredFrom", changed, actor_kind as "actorKind",
  actor_id as "actorId", at`;
const oldestFirst: Keyset<Stored<PatientRow>, PatientKey> = {
  columns: ['id'],
  keyOf: ({ id }) => ({ id }),
  valuesOf: ({ id }) => [id],
};

/** Every statement about patients and their versions; how they are found is in tokens.repository. */
export class PatientsRepository {
  insert(tx: WriteContext, { id, version, sealed, createdAt }: PatientRow): void {
    tx.db.send(
      `insert into patient (tenant_id, id, demographics, version, created_by, created_at, updated_at)
       values ($1, $2, $3, $4, $5, $6, $6)`,
      [tx.tenant.id, id, sealed, version, actorIdOf(tx), toDate(createdAt)],
    );
  }

  /** The caller holds the row. */
  update(tx: WriteContext, { id, version, sealed, updatedAt }: PatientRow): void {
    tx.db.send('update patient set demographics = $3, version = $4, updated_at = $5 where tenant_id = $1 and id = $2', [
      tx.tenant.id,
      id,
      sealed,
      version,
      toDate(updatedAt),
    ]);
  }

  remember(tx: WriteContext, { id, version, updatedAt }: PatientRow, remark: Remark): void {
    const { actor } = tx;
    tx.db.send(
      `insert into patient_version (tenant_id, id, patient_id, version, event, restored_from, demographics, changed,
         actor_kind, actor_id, at)
       values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
      [
        tx.tenant.id,
        remark.id,
        id,
        version,
        remark.event,
        remark.restoredFrom,
        remark.sealed,
        remark.changed,
        actor.kind,
        actor.kind === 'anonymous' ? null : actorIdOf(tx),
        toDate(updatedAt),
      ],
    );
  }

  async read(tx: ReadContext, id: PatientId): Promise<PatientRow | undefined> {
    const sql = `select ${columns} from patient where tenant_id = $1 and id = $2`;
    return (await tx.db.query<Stored<PatientRow>>(sql, [tx.tenant.id, id])).map(withInstants)[0];
  }

  /** Waits for whoever changes the patient now, and holds off the next until the transaction ends. */
  async readForUpdate(tx: WriteContext, id: PatientId): Promise<PatientRow | undefined> {
    tx.db.send('select from patient where tenant_id = $1 and id = $2 for update', [tx.tenant.id, id]);
    return this.read(tx, id);
  }

  /** In the order of the ids. */
  async readMany(tx: ReadContext, ids: readonly PatientId[]): Promise<readonly PatientRow[]> {
    const rows = await tx.db.query<Stored<PatientRow>>(
      `select ${columns} from patient where tenant_id = $1 and id = any($2::uuid[])`,
      [tx.tenant.id, ids],
    );
    const byId = new Map(rows.map((row) => [row.id, withInstants(row)]));
    return ids.map((id) => byId.get(id)).filter((row) => row !== undefined);
  }

  /** Oldest first. */
  async list(tx: ReadContext, page: PageRequest<PatientKey>): Promise<Page<PatientRow, PatientKey>> {
    const select = `select ${columns} from patient where tenant_id = $1`;
    const found = await listed(tx.db, { select, values: [tx.tenant.id] }, oldestFirst, page);
    return { ...found, items: found.items.map(withInstants) };
  }

  /** Newest first. */
  async versions(tx: ReadContext, id: PatientId, most: number): Promise<readonly VersionEntry[]> {
    const rows = await tx.db.query<Stored<VersionEntry>>(
      `select ${entryColumns} from patient_version where tenant_id = $1 and patient_id = $2
        order by version desc limit $3`,
      [tx.tenant.id, id, most],
    );
    return rows.map((row) => ({ ...row, at: row.at.getTime() }));
  }

  async version(tx: ReadContext, id: PatientId, version: number): Promise<VersionRow | undefined> {
    const rows = await tx.db.query<Stored<VersionRow>>(
      `select id, demographics as sealed, ${entryColumns} from patient_version
        where tenant_id = $1 and patient_id = $2 and version = $3`,
      [tx.tenant.id, id, version],
    );
    return rows.map((row) => ({ ...row, at: row.at.getTime() }))[0];
  }
}

const withInstants = (row: Stored<PatientRow>): PatientRow => ({
  ...row,
  createdAt: row.createdAt.getTime(),
  updatedAt: row.updatedAt.getTime(),
});
