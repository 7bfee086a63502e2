import { newId, type TenantContext, toDate } from '#infra/kernel';
import type { WriteContext } from '#infra/sharding';
import type { AuditEvent } from './audit-event.js';

/** An event with whoever caused it, and when. */
export interface Caused {
  readonly ctx: TenantContext;
  readonly event: AuditEvent;
  readonly at: number;
}

export function insertEvent(tx: WriteContext, caused: Caused): void {
  const row = rowOf(caused);
  tx.db.send(insertRow, [tx.tenant.id, ...Object.values(row)]);
  insertSubjects(tx, subjectsOf(caused, row));
}

/** One statement for all events and one for all that they speak of, whoever caused them; all of the transaction's tenant. */
export function insertEvents(tx: WriteContext, all: readonly Caused[]): void {
  const rows = all.map(rowOf);
  tx.db.send(insertRows, [tx.tenant.id, JSON.stringify(rows)]);
  insertSubjects(
    tx,
    all.flatMap((caused, n) => (rows[n] ? subjectsOf(caused, rows[n]) : [])),
  );
}

interface Subject {
  readonly id: string;
  readonly eventId: unknown;
  readonly subjectId: string;
}

const subjectsOf = ({ event }: Caused, { id }: Row): Subject[] =>
  (event.subjectIds ?? []).map((subjectId) => ({ id: newId(), eventId: id, subjectId }));

function insertSubjects(tx: WriteContext, subjects: readonly Subject[]): void {
  if (subjects.length === 0) return;
  const column = (name: keyof Subject) => subjects.map((subject) => subject[name]);
  tx.db.send(insertSubjectRows, [tx.tenant.id, column('id'), column('eventId'), column('subjectId')]);
}

const columns = {
  id: 'uuid',
  at: 'timestamptz',
  actor_type: 'text',
  actor_id: 'text',
  session_id: 'uuid',
  ip: 'inet',
  action: 'text',
  resource_type: 'text',
  resource_id: 'uuid',
  subject_count: 'int',
  outcome: 'text',
  route: 'text',
  request_id: 'text',
  fields: 'text[]',
  version_from: 'int',
  version_to: 'int',
} as const;
type Row = Readonly<Record<keyof typeof columns, unknown>>;

const names = Object.keys(columns).join(', ');
const typed = Object.entries(columns).map(([name, type]) => `${name} ${type}`);

const insertRows = `
  insert into audit_event (tenant_id, ${names})
  select $1, ${names} from json_to_recordset($2::json) as e (${typed.join(', ')})`;

const insertRow = `
  insert into audit_event (tenant_id, ${names})
  values ($1, ${Object.keys(columns).map((_, n) => `$${n + 2}`)})`;

const insertSubjectRows = `
  insert into audit_subject (tenant_id, id, event_id, subject_id)
  select $1, s.id, s.event_id, s.subject_id from unnest($2::uuid[], $3::uuid[], $4::uuid[]) as s (id, event_id, subject_id)`;

function rowOf({ ctx: { actor, ip, route, requestId }, event, at }: Caused): Row {
  return {
    id: newId(),
    at: toDate(at).toISOString(),
    actor_type: actor.kind,
    actor_id: actor.kind === 'user' ? actor.id : actor.kind === 'system' ? actor.name : null,
    session_id: actor.kind === 'user' ? actor.sessionId : null,
    ip: ip ?? null,
    action: event.action,
    resource_type: event.resourceType,
    resource_id: event.resourceId ?? null,
    subject_count: event.subjectIds?.length ?? 0,
    outcome: event.outcome ?? 'success',
    route: route ?? null,
    request_id: requestId,
    fields: event.fields ?? [],
    version_from: event.versionFrom ?? null,
    version_to: event.versionTo ?? null,
  };
}
