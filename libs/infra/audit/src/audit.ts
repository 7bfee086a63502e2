import { Injectable } from '@nestjs/common';
import { type Clock, type Context, isAppError, newId, type TenantContext, toDate } from '#infra/kernel';
import type { Sharding, WriteContext } from '#infra/sharding';
import { fail } from './audit.errors.js';

/** What happened to whose thing. Opaque ids and names of fields only: never a value, a name or a query. */
export interface AuditEvent {
  /** `<noun>.<verb>`, for example `appointment.book`. */
  readonly action: string;
  readonly resourceType: string;
  readonly resourceId?: string;
  /** Every thing of a person that a list or a search showed. */
  readonly subjectIds?: readonly string[];
  readonly outcome?: 'success' | 'denied' | 'failure';
  readonly fields?: readonly string[];
  readonly versionFrom?: number;
  readonly versionTo?: number;
}

/** Where the event belongs: beside the data it speaks of. */
export type AuditPlace = 'shard' | 'directory';

/** The record of who saw or changed what. It only ever grows: the app's role may insert and read. */
@Injectable()
export class Audit {
  constructor(
    private readonly sharding: Sharding,
    private readonly clock: Clock,
  ) {}

  /** In the transaction of the change: both are there or neither is. */
  async record(tx: WriteContext, event: AuditEvent): Promise<void> {
    const at = toDate(this.clock.now());
    const id = newId();
    tx.db.send(insertEvent, eventRow(tx, id, at, event));
    if (event.subjectIds && event.subjectIds.length > 0)
      tx.db.send(insertSubjects, [tx.tenant.id, id, event.subjectIds.map(() => newId()), event.subjectIds]);
  }

  /**
   * Before the answer leaves: when this throws (audit.unavailable), the caller has seen nothing. In a transaction of its
   * own, because what was read may have come from a replica.
   */
  async recordRead(ctx: TenantContext, event: AuditEvent, place: AuditPlace = 'shard'): Promise<void> {
    const database = place === 'shard' ? this.sharding : this.sharding.directory;
    try {
      await database.write(ctx, (tx) => this.record(tx, event), { readBack: false });
    } catch (cause) {
      if (isAppError(cause) && cause.kind === 'timeout') throw cause;
      throw fail('audit.unavailable', { cause, retryAfterMs: 1_000 });
    }
  }

  /** An attempt that was refused. Without a tenant there is no log that it belongs to. */
  async recordDenied(ctx: Context, action: string, resourceType = action.split('.')[0] ?? action): Promise<void> {
    if (ctx.tenant === null) return;
    await this.recordRead({ ...ctx, tenant: ctx.tenant }, { action, resourceType, outcome: 'denied' });
  }
}

const insertEvent = `
  insert into audit_event (tenant_id, id, at, actor_type, actor_id, session_id, ip, action, resource_type, resource_id,
    subject_count, outcome, route, request_id, fields, version_from, version_to)
  values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)`;

const insertSubjects = `
  insert into audit_subject (tenant_id, id, event_id, subject_id)
  select $1, s.id, $2, s.subject_id from unnest($3::uuid[], $4::uuid[]) as s (id, subject_id)`;

function eventRow(ctx: TenantContext, id: string, at: Date, event: AuditEvent): unknown[] {
  const { actor } = ctx;
  return [
    ctx.tenant.id,
    id,
    at,
    actor.kind,
    actor.kind === 'user' ? actor.id : actor.kind === 'system' ? actor.name : null,
    actor.kind === 'user' ? actor.sessionId : null,
    ctx.ip ?? null,
    event.action,
    event.resourceType,
    event.resourceId ?? null,
    event.subjectIds?.length ?? 0,
    event.outcome ?? 'success',
    ctx.route ?? null,
    ctx.requestId,
    event.fields ?? [],
    event.versionFrom ?? null,
    event.versionTo ?? null,
  ];
}
