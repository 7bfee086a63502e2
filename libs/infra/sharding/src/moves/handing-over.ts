import { setTimeout as sleep } from 'node:timers/promises';
import { monotonicMs } from '#infra/kernel';
import { hasArrived, mark } from './fences.js';
import type { Digest, Move } from './move.js';
import { fail } from './moves.errors.js';
import { digestOf, holdSnapshot, letSnapshotGo } from './proof.js';
import { codeOf, type Session } from './session.js';
import { atStandstill, type Patience } from './standstill.js';
import type { TenantTable } from './tenant-tables.js';

/** Two connections to each shard: one acts, the other holds what it saw. */
export interface Sides {
  readonly source: Session;
  readonly target: Session;
  readonly sourceView: Session;
  readonly targetView: Session;
}

/**
 * A marker that takes longer than this to arrive means that the target is not close behind. A busy machine may never come
 * near the first value: each attempt allows a little more.
 */
const closeMs = { first: 50, more: 25, most: 200 };
/** Writers stand still no longer than this for a target that turns out to be behind. */
const arrivalBudgetMs = 300;
const pollMs = 2;
const againMs = 250;

/** The moments at which both shards hold the same: everything that the tenant has, and nobody writes. */
export class HandingOver {
  constructor(
    private readonly move: Move,
    private readonly sides: Sides,
    private readonly patience: Patience,
  ) {}

  /**
   * Runs `then` at a standstill at which everything has arrived, and both views hold a snapshot of that moment until they
   * are compared. Waits for the target as long as the patience lasts, and lets the writers go meanwhile.
   */
  async freeze<T>(then: () => Promise<T>): Promise<{ readonly value: T; readonly pauseMs: number }> {
    const endsAt = monotonicMs() + this.patience.patienceMs;
    for (;;) {
      await this.#closeBehind(endsAt);
      try {
        return await atStandstill(this.sides.source, this.move.tenantId, this.patience, async () => {
          const marker = await mark(this.sides.source, this.move);
          await Promise.all([holdSnapshot(this.sides.sourceView), this.#arrival(marker, arrivalBudgetMs)]);
          await holdSnapshot(this.sides.targetView);
          return then();
        });
      } catch (error) {
        await this.letGo();
        if (codeOf(error) !== 'move.behind' || monotonicMs() > endsAt) throw error;
      }
    }
  }

  /** What the two views hold. */
  async digests(tables: readonly TenantTable[]): Promise<readonly [source: Digest, target: Digest]> {
    const { sourceView, targetView } = this.sides;
    const { tenantId } = this.move;
    const digests = await Promise.all([digestOf(sourceView, tables, tenantId), digestOf(targetView, tables, tenantId)]);
    await this.letGo();
    return digests;
  }

  async letGo(): Promise<void> {
    await Promise.all([letSnapshotGo(this.sides.sourceView), letSnapshotGo(this.sides.targetView)]);
  }

  /** Resolves when a marker has just arrived quickly, while everybody writes. */
  async #closeBehind(endsAt: number): Promise<void> {
    for (let allowedMs = closeMs.first; ; allowedMs = Math.min(allowedMs + closeMs.more, closeMs.most)) {
      this.patience.signal?.throwIfAborted();
      const startedAt = monotonicMs();
      await this.#arrival(await mark(this.sides.source, this.move), Math.max(againMs, endsAt - startedAt));
      if (monotonicMs() - startedAt <= allowedMs) return;
      if (monotonicMs() > endsAt) throw fail('move.behind', { internal: 'the target does not catch up' });
      await sleep(againMs);
    }
  }

  async #arrival(marker: string, budgetMs: number): Promise<void> {
    const endsAt = monotonicMs() + budgetMs;
    while (!(await hasArrived(this.sides.target, this.move, marker))) {
      this.patience.signal?.throwIfAborted();
      if (monotonicMs() > endsAt) throw fail('move.behind', { internal: 'what the source wrote does not arrive' });
      await sleep(pollMs);
    }
  }
}
