import { type Page, type PageRequest, toDate } from '#infra/kernel';
import { type Keyset, listed, type ReadContext, type WriteContext } from '#infra/sharding';
import { actorIdOf } from './actor.js';
import type {
  Appointment,
  AppointmentEvent,
  AppointmentFilter,
  AppointmentId,
  AppointmentKey,
  CancelReason,
  HistoryEntry,
} from './appointment.js';

/** A visit as its row has it: what the client said is sealed. */
export interface AppointmentRow extends Omit<Appointment, 'client' | 'note'> {
  readonly sealed: Buffer;
}

export interface HistoryRow extends Omit<HistoryEntry, 'note'> {
  readonly id: string;
  readonly sealedNote: Buffer | null;
}

/** What a version adds to the history besides the visit itself. */
export interface Remark {
  readonly id: string;
  readonly reason: CancelReason | null;
  readonly sealedNote: Buffer | null;
}

type Stored<T> = Omit<T, 'createdAt' | 'updatedAt' | 'at'> & {
  readonly [K in keyof T & ('createdAt' | 'updatedAt' | 'at')]: Date;
};

type ListedRow = Stored<AppointmentRow> & { readonly orderMin: number };

const wallText = `'YYYY-MM-DD"T"HH24:MI'`;
const columns = `a.id, a.version, a.status, a.location_id as "locationId", a.service_id as "serviceId",
  a.start_min as "startMin", a.end_min as "endMin", to_char(a.local_start, ${wallText}) as "localStart", a.tz,
  a.tzdb_version as tzdb, a.client as sealed, a.created_at as "createdAt", a.updated_at as "updatedAt",
  (select json_agg(json_build_object('resourceId', s.resource_id, 'kind', s.kind, 'lane', s.lane,
     'startMin', s.start_min, 'endMin', s.end_min) order by s.start_min, s.resource_id)
     from appointment_resource s where s.tenant_id = a.tenant_id and s.appointment_id = a.id) as shares`;

const inRange = (start: string) =>
  `${start} >= $2 and ${start} < $3 and ($4::text is null or a.status = $4) and ($5::uuid is null or a.location_id = $5)`;

/**
 * One statement for each way to the rows, so that each is one range of an index. $1 tenant, $6 what narrows it.
 * `offset 0` keeps the planner from joining all of a resource's visits when a page is wanted.
 */
const listBy = {
  start: `select ${columns}, a.start_min as "orderMin" from appointment a
    where a.tenant_id = $1 and ${inRange('a.start_min')}`,
  location: `select ${columns}, a.start_min as "orderMin" from appointment a
    where a.tenant_id = $1 and a.location_id = $6 and ${inRange('a.start_min')}`,
  status: `select ${columns}, a.start_min as "orderMin" from appointment a
    where a.tenant_id = $1 and a.status = $6 and ${inRange('a.start_min')}`,
  resource: `select ${columns}, r.start_min as "orderMin" from appointment_resource r
    cross join lateral (select * from appointment v where v.tenant_id = r.tenant_id and v.id = r.appointment_id offset 0) a
    where r.tenant_id = $1 and r.resource_id = $6 and ${inRange('r.start_min')}`,
} as const;

const byStart = (columns: readonly [string, string]): Keyset<ListedRow, AppointmentKey> => ({
  columns,
  keyOf: ({ orderMin, id }) => ({ startMin: orderMin, id }),
  valuesOf: ({ startMin, id }) => [startMin, id],
});
const byVisit = byStart(['a.start_min', 'a.id']);
const byShare = byStart(['r.start_min', 'r.appointment_id']);

const lowestMin = -2_147_483_648;
const highestMin = 2_147_483_647;

const insertHistory = `insert into appointment_history (tenant_id, id, appointment_id, version, event, status, start_min,
  end_min, local_start, tz, tzdb_version, resources, reason, note, actor_kind, actor_id, at)
  values ($1, $2, $3, $4, $5, $6, $7, $8, $9::timestamp, $10, $11, $12, $13, $14, $15, $16, $17)`;

const insertVisit = `with kept as (
    insert into appointment (tenant_id, id, location_id, service_id, status, start_min, end_min, duration_min,
      local_start, tz, tzdb_version, client, version, created_by, created_at, updated_at)
    values ($1, $3, $18, $19, $6, $7, $8, $20, $9::timestamp, $10, $11, $21, $4, $22, $17, $17)
  )
  ${insertHistory}`;

const readOne = `select ${columns} from appointment a where a.tenant_id = $1 and a.id = $2`;

/** Every statement about visits and their history; the time they take is in claims.repository. */
export class AppointmentsRepository {
  /** A new visit and the first row of its history; its shares come with its claims. */
  insert(tx: WriteContext, row: AppointmentRow, event: AppointmentEvent, remark: Remark): void {
    tx.db.send(insertVisit, [
      ...historyRow(tx, event, row, remark),
      row.locationId,
      row.serviceId,
      row.endMin - row.startMin,
      row.sealed,
      actorIdOf(tx),
    ]);
  }

  /** Everything of a visit that a change may touch; the caller holds the row. */
  update(tx: WriteContext, row: AppointmentRow): void {
    tx.db.send(
      `update appointment set status = $3, start_min = $4, end_min = $5, duration_min = $6, local_start = $7::timestamp,
         tz = $8, tzdb_version = $9, version = $10, updated_at = $11
       where tenant_id = $1 and id = $2`,
      [
        tx.tenant.id,
        row.id,
        row.status,
        row.startMin,
        row.endMin,
        row.endMin - row.startMin,
        row.localStart,
        row.tz,
        row.tzdb,
        row.version,
        toDate(row.updatedAt),
      ],
    );
  }

  /** One more row of a visit's history. */
  remember(tx: WriteContext, event: AppointmentEvent, row: AppointmentRow, remark: Remark): void {
    tx.db.send(insertHistory, historyRow(tx, event, row, remark));
  }

  async read(tx: ReadContext, id: AppointmentId): Promise<AppointmentRow | undefined> {
    return (await tx.db.query<Stored<AppointmentRow>>(readOne, [tx.tenant.id, id])).map(withInstants)[0];
  }

  /** Waits for whoever changes the visit now, and holds off the next until the transaction ends. */
  async readForUpdate(tx: WriteContext, id: AppointmentId): Promise<AppointmentRow | undefined> {
    tx.db.send('select from appointment where tenant_id = $1 and id = $2 for update', [tx.tenant.id, id]);
    return this.read(tx, id);
  }

  /** By start, and by id among those that start together. */
  async list(
    tx: ReadContext,
    filter: AppointmentFilter,
    page: PageRequest<AppointmentKey>,
  ): Promise<Page<AppointmentRow, AppointmentKey>> {
    const { fromMin = lowestMin, toMin = highestMin, resourceId, locationId, status } = filter;
    const way = resourceId ? 'resource' : locationId ? 'location' : status ? 'status' : 'start';
    const narrowed = resourceId ?? locationId ?? status;
    const values = [
      tx.tenant.id,
      fromMin,
      toMin,
      way === 'status' ? null : (status ?? null),
      way === 'location' ? null : (locationId ?? null),
      ...(narrowed === undefined ? [] : [narrowed]),
    ];
    const found = await listed(tx.db, { select: listBy[way], values }, way === 'resource' ? byShare : byVisit, page);
    return { ...found, items: found.items.map(({ orderMin: _, ...row }) => withInstants(row)) };
  }

  /** Oldest first. */
  async history(tx: ReadContext, id: AppointmentId, most: number): Promise<readonly HistoryRow[]> {
    const rows = await tx.db.query<Stored<HistoryRow>>(
      `select id, version, event, status, start_min as "startMin", end_min as "endMin",
              to_char(local_start, ${wallText}) as "localStart", tz, tzdb_version as tzdb, resources as shares, reason,
              note as "sealedNote", actor_kind as "actorKind", actor_id as "actorId", at
         from appointment_history where tenant_id = $1 and appointment_id = $2 order by version limit $3`,
      [tx.tenant.id, id, most],
    );
    return rows.map((row) => ({ ...row, at: row.at.getTime() }));
  }
}

function historyRow(tx: WriteContext, event: AppointmentEvent, row: AppointmentRow, remark: Remark): unknown[] {
  const { actor } = tx;
  return [
    tx.tenant.id,
    remark.id,
    row.id,
    row.version,
    event,
    row.status,
    row.startMin,
    row.endMin,
    row.localStart,
    row.tz,
    row.tzdb,
    JSON.stringify(row.shares),
    remark.reason,
    remark.sealedNote,
    actor.kind,
    actor.kind === 'anonymous' ? null : actorIdOf(tx),
    toDate(row.updatedAt),
  ];
}

const withInstants = (row: Stored<AppointmentRow>): AppointmentRow => ({
  ...row,
  createdAt: row.createdAt.getTime(),
  updatedAt: row.updatedAt.getTime(),
});
