import { type Instant, type TenantId, toDate } from '#infra/kernel';
import type { ReadContext, SystemContext, SystemReadContext, WriteContext } from '#infra/sharding';

export interface NewOutboxRow {
  readonly id: string;
  readonly kind: 'fact' | 'job';
  readonly name: string;
  readonly key: string;
  readonly payloadJson: string;
  readonly at: Instant;
}

/** A job that is due to be handed to Redis. */
export interface DueJob {
  readonly tenantId: TenantId;
  readonly id: string;
  readonly name: string;
  readonly requestId: string;
  /** Times that it was handed over before. */
  readonly attempts: number;
  readonly dueAt: Date;
}

export interface StoredJob {
  readonly name: string;
  readonly payload: unknown;
  readonly requestId: string;
  readonly outcome: 'done' | 'dead' | null;
  readonly createdAt: Instant;
}

/** What a job was found dead by: when, to the millisecond, and its id. */
export interface DeadJobKey {
  readonly deadAt: Instant;
  readonly id: string;
}

export interface DeadRow extends DeadJobKey {
  readonly tenantId: TenantId;
  readonly name: string;
  readonly attempts: number;
  readonly errorCode: string | null;
}

/** Handed over and still not finished after this long: handed over again. Doubles each time up to the longest. */
export const resendFirstMs = 30_000;
export const resendMaxMs = 600_000;

/** Every SQL statement about the outbox; the same table stands in each shard and in the directory. */
export class OutboxRepository {
  insert(tx: WriteContext, row: NewOutboxRow): void {
    tx.db.send(
      `insert into outbox (tenant_id, id, kind, name, key, payload, request_id, created_at, next_at)
       values ($1, $2, $3, $4, $5, $6::jsonb, $7, $8, $8)`,
      [tx.tenant.id, row.id, row.kind, row.name, row.key, row.payloadJson, tx.requestId, toDate(row.at)],
    );
  }

  async find(tx: ReadContext, id: string): Promise<StoredJob | null> {
    const [row] = await tx.db.query<StoredJob>(
      `select name, payload, request_id as "requestId", outcome,
              (extract(epoch from created_at) * 1000)::float8 as "createdAt" from outbox
        where tenant_id = $1 and id = $2 and kind = 'job'`,
      [tx.tenant.id, id],
    );
    return row ?? null;
  }

  /** False when the job was finished before: by another delivery, whose transaction this one has waited for. */
  async finish(
    tx: WriteContext,
    id: string,
    end: { readonly outcome: 'done' | 'dead'; readonly errorCode: string | null; readonly at: Instant },
  ): Promise<boolean> {
    const changed = await tx.db.execute(
      `update outbox set finished_at = $3, outcome = $4, error_code = $5
        where tenant_id = $1 and id = $2 and kind = 'job' and finished_at is null`,
      [tx.tenant.id, id, toDate(end.at), end.outcome, end.errorCode],
    );
    return changed === 1;
  }

  /** The oldest due jobs, locked until the transaction ends; rows that another relay holds are passed over. */
  async claimDue(system: SystemContext, at: Instant, limit: number): Promise<DueJob[]> {
    return system.db.query<DueJob>(
      `select tenant_id as "tenantId", id, name, request_id as "requestId", attempts, next_at as "dueAt" from outbox
        where kind = 'job' and finished_at is null and next_at <= $1
        order by next_at limit $2 for update skip locked`,
      [toDate(at), limit],
    );
  }

  async markSent(system: SystemContext, jobs: readonly DueJob[], at: Instant): Promise<void> {
    await system.db.execute(
      `update outbox o
          set published_at = coalesce(published_at, $3), attempts = attempts + 1,
              next_at = $3::timestamptz + least($4 * power(2, least(attempts, 20)), $5) * interval '1 millisecond'
         from unnest($1::uuid[], $2::uuid[]) as sent (tenant_id, id)
        where o.tenant_id = sent.tenant_id and o.id = sent.id`,
      [...keysOf(jobs), toDate(at), resendFirstMs, resendMaxMs],
    );
  }

  /** Jobs that nobody here can hand over now: looked at again after the longest wait, not counted as sent. */
  async postpone(system: SystemContext, jobs: readonly DueJob[], at: Instant): Promise<void> {
    await system.db.execute(
      `update outbox o set next_at = $3
         from unnest($1::uuid[], $2::uuid[]) as late (tenant_id, id)
        where o.tenant_id = late.tenant_id and o.id = late.id`,
      [...keysOf(jobs), toDate(at + resendFirstMs)],
    );
  }

  async markDead(system: SystemContext, jobs: readonly DueJob[], errorCode: string, at: Instant): Promise<void> {
    await system.db.execute(
      `update outbox o set finished_at = $3, outcome = 'dead', error_code = $4
         from unnest($1::uuid[], $2::uuid[]) as dead (tenant_id, id)
        where o.tenant_id = dead.tenant_id and o.id = dead.id`,
      [...keysOf(jobs), toDate(at), errorCode],
    );
  }

  /** Jobs that were given up, newest first. */
  async dead(system: SystemReadContext, after: DeadJobKey | null, limit: number): Promise<DeadRow[]> {
    return system.db.query<DeadRow>(
      `select tenant_id as "tenantId", id, name, attempts, error_code as "errorCode",
              (extract(epoch from finished_at) * 1000)::float8 as "deadAt" from outbox
        where outcome = 'dead' and kind = 'job' and (finished_at, id) < ($1, $2)
        order by finished_at desc, id desc limit $3`,
      [after === null ? 'infinity' : toDate(after.deadAt), after?.id ?? highestId, limit],
    );
  }

  /** Jobs that were done before `before`; what is dead stays for the operator, what is not finished stays due. */
  async removeDone(system: SystemContext, before: Instant, limit: number): Promise<number> {
    return system.db.execute(
      `delete from outbox o
        using (select tenant_id, id from outbox where outcome = 'done' and finished_at < $1
                order by finished_at limit $2 for update skip locked) old
        where o.tenant_id = old.tenant_id and o.id = old.id`,
      [toDate(before), limit],
    );
  }
}

const highestId = 'ffffffff-ffff-ffff-ffff-ffffffffffff';

const keysOf = (jobs: readonly DueJob[]) => [jobs.map((job) => job.tenantId), jobs.map((job) => job.id)] as const;
