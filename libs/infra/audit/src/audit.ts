import { Injectable } from '@nestjs/common';
import { type Clock, type Context, isAppError, type TenantContext } from '#infra/kernel';
import type { Sharding, WriteContext } from '#infra/sharding';
import { fail } from './audit.errors.js';
import type { AuditEvent } from './audit-event.js';
import { insertEvent } from './event-rows.js';
import { SharedRecords } from './shared-records.js';

/** Where the event belongs: beside the data it speaks of. */
export type AuditPlace = 'shard' | 'directory';

/** The record of who saw or changed what. It only ever grows: the app's role may insert and read. */
@Injectable()
export class Audit {
  readonly #shared: Readonly<Record<AuditPlace, SharedRecords>>;

  constructor(
    sharding: Sharding,
    private readonly clock: Clock,
  ) {
    this.#shared = { shard: new SharedRecords(sharding), directory: new SharedRecords(sharding.directory) };
  }

  /** In the transaction of the change: both are there or neither is. */
  async record(tx: WriteContext, event: AuditEvent): Promise<void> {
    insertEvent(tx, { ctx: tx, event, at: this.clock.now() });
  }

  /**
   * Before the answer leaves: when this throws (audit.unavailable), the caller has seen nothing. Apart from the read,
   * because what was read may have come from a replica or a cache; together with other reads of the tenant.
   */
  async recordRead(ctx: TenantContext, event: AuditEvent, place: AuditPlace = 'shard'): Promise<void> {
    try {
      await this.#shared[place].record({ ctx, event, at: this.clock.now() });
    } catch (cause) {
      if (isAppError(cause) && (cause.kind === 'timeout' || cause.code === 'audit.unavailable')) throw cause;
      throw fail('audit.unavailable', { cause, retryAfterMs: 1_000 });
    }
  }

  /** An attempt that was refused. Without a tenant there is no log that it belongs to. */
  async recordDenied(ctx: Context, action: string, resourceType = action.split('.')[0] ?? action): Promise<void> {
    if (ctx.tenant === null) return;
    await this.recordRead({ ...ctx, tenant: ctx.tenant }, { action, resourceType, outcome: 'denied' });
  }
}
