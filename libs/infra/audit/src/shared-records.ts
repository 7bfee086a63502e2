import { setTimeout as sleep } from 'node:timers/promises';
import { isAppError, type TenantContext } from '#infra/kernel';
import type { TenantDatabase } from '#infra/sharding';
import { fail } from './audit.errors.js';
import { type Caused, insertEvent, insertEvents } from './event-rows.js';

/** Events of one transaction. */
const togetherMax = 200;
/** Where so many came together, the next transaction waits a moment for as many: each costs the same for one as for all. */
const companyFrom = 8;
const companyMs = 2;
/** Of one tenant, in one process; the next is refused at once. */
const waitingMax = 1_000;

interface Waiting extends Caused {
  readonly recorded: () => void;
  readonly failed: (error: unknown) => void;
}

/**
 * Transactions that hold nothing but events. What comes while one of a tenant is under way shares the next: a few wait for
 * nobody, and a tenant's storm costs one transaction for many.
 */
export class SharedRecords {
  readonly #lines = new Map<string, Waiting[]>();

  constructor(private readonly database: TenantDatabase) {}

  /** Resolves when the event is on disk. Throws audit.unavailable when 1,000 of the tenant wait already. */
  record(caused: Caused): Promise<void> {
    const tenantId = caused.ctx.tenant.id;
    return new Promise((recorded, failed) => {
      const waiting = { ...caused, recorded, failed };
      const line = this.#lines.get(tenantId);
      if (line === undefined) {
        this.#lines.set(tenantId, []);
        void this.#serve(tenantId, [waiting]);
      } else if (line.length < waitingMax) line.push(waiting);
      else failed(fail('audit.unavailable', { internal: `${waitingMax} events wait`, retryAfterMs: 1_000 }));
    });
  }

  /** Until nobody waits; a new line begins with the next event. */
  async #serve(tenantId: string, first: readonly Waiting[]): Promise<void> {
    for (let together = first; together.length > 0; together = this.#next(tenantId)) {
      await this.#together(together);
      if (together.length >= companyFrom) await sleep(companyMs);
    }
    this.#lines.delete(tenantId);
  }

  #next(tenantId: string): readonly Waiting[] {
    return this.#lines.get(tenantId)?.splice(0, togetherMax) ?? [];
  }

  async #together(all: readonly Waiting[]): Promise<void> {
    try {
      await this.#write(all);
      for (const { recorded } of all) recorded();
    } catch (error) {
      // One event that the database refuses must not keep the others from being recorded.
      if (all.length === 1 || isAppError(error)) for (const { failed } of all) failed(error);
      else for (const each of all) await this.#together([each]);
    }
  }

  async #write(all: readonly Waiting[]): Promise<void> {
    const [first] = all;
    if (first === undefined) return;
    const deadline = all.reduce((latest, { ctx }) => Math.max(latest, ctx.deadline), 0);
    const ctx: TenantContext = { ...first.ctx, deadline };
    await this.database.write(ctx, async (tx) => (all.length === 1 ? insertEvent(tx, first) : insertEvents(tx, all)), {
      readBack: false,
    });
  }
}
