import { setTimeout as sleep } from 'node:timers/promises';
import { monotonicMs } from '#infra/kernel';
import type { Bench } from './bench.js';
import type { Move, MoverOptions } from './move.js';
import { fail } from './moves.errors.js';
import type { Replication, ReplicationState } from './replication.js';
import type { TableSize, TenantTable } from './tenant-tables.js';

interface CopyingParts {
  readonly options: MoverOptions;
  readonly bench: Bench;
  readonly move: Move;
  readonly replication: Replication;
  readonly tables: readonly TenantTable[];
  /** Of the source, by table, when copying began. */
  readonly sizes: ReadonlyMap<string, TableSize>;
}

const pollMs = 100;
const newsEveryMs = 500;
const lagMaxBytes = 1_048_576;
/** Longest one run of the mover waits for the copy; run again, it goes on. */
const copyMaxMs = 24 * 3_600_000;
/** How often a subscription that PostgreSQL stopped is started again before the move gives up. */
const restartsMax = 3;
const restartPauseMs = 1_000;

/** PostgreSQL copies a tenant's tables and follows them; this watches, tells how far it is and starts it again. */
export class Copying {
  constructor(private readonly parts: CopyingParts) {}

  /** Resolves when every table is there and the target is close behind. Throws move.replication_failed. */
  async done(): Promise<void> {
    let [restarts, toldAt] = [0, Number.NEGATIVE_INFINITY];
    const endsAt = monotonicMs() + copyMaxMs;
    while (monotonicMs() < endsAt) {
      this.parts.options.signal?.throwIfAborted();
      const [state, lagBytes] = await Promise.all([this.parts.replication.state(), this.parts.replication.lagBytes()]);
      if (!state.enabled) {
        restarts += 1;
        await this.#restartReplication(restarts);
        continue;
      }
      const done = state.tables === this.parts.tables.length && state.ready === state.tables;
      if (done && lagBytes !== null && lagBytes < lagMaxBytes) return this.#tell(state, lagBytes);
      if (monotonicMs() - toldAt > newsEveryMs) {
        toldAt = monotonicMs();
        await this.#tell(state, lagBytes);
      }
      await sleep(pollMs);
    }
    throw fail('move.replication_failed', { internal: 'the target did not catch up within a day' });
  }

  async #restartReplication(restarts: number): Promise<void> {
    if (restarts > restartsMax)
      throw fail('move.replication_failed', { internal: `the log of ${this.parts.move.target}’s server says why` });
    await sleep(restartPauseMs);
    await this.parts.replication.resume();
  }

  async #tell(state: ReplicationState, lagBytes: number | null): Promise<void> {
    const { rows, bytes } = totalOf(this.parts.sizes.values());
    const arrived = totalOf(state.copied.flatMap((name) => this.parts.sizes.get(name) ?? [])).rows;
    const rowsCopied = Math.min(rows, arrived + state.copying);
    this.parts.options.report({
      kind: 'copying',
      tables: state.tables,
      tablesReady: state.ready,
      rows,
      rowsCopied,
      bytes,
      lagBytes,
    });
    await this.parts.bench.records.noteProgress(this.parts.move, { rowsCopied, lagBytes });
  }
}

export function totalOf(sizes: Iterable<{ readonly rows: number; readonly bytes?: number }>): TableSize {
  let [rows, bytes] = [0, 0];
  for (const size of sizes) {
    rows += size.rows;
    bytes += size.bytes ?? 0;
  }
  return { rows, bytes };
}
