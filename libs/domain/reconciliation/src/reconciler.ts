import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { monotonicMs, newId, type TenantContext } from '#infra/kernel';
import { failureCode, mayRetry, type Work } from '#infra/queues';
import type { BulkContext } from '#infra/sharding';
import { Envelopes } from './envelopes.js';
import { type LadderResult, type Matchable, matchLadderSteps } from './ladder.js';
import { MatchesRepository, type NewMatch } from './matches.repository.js';
import { Pace } from './pace.js';
import type { ReconciliationParts } from './parts.js';
import { Progress } from './progress.js';
import { fail } from './reconciliation.errors.js';
import { runCompleted } from './reconciliation.facts.js';
import { reconcileRun } from './reconciliation.jobs.js';
import type { LegId, MatchId, Run, RunId, Side, SideTotals } from './run.js';
import { runLimits } from './run.js';
import { type RunRow, RunsRepository } from './runs.repository.js';
import type { RecordId } from './statement.js';

/** A record in memory, its texts opened. */
interface Opened extends Matchable {
  readonly id: RecordId;
}

interface Attempt {
  readonly tx: BulkContext;
  readonly run: RunRow;
  /** Of its statements; those that are matched already or of other days are not read. */
  readonly records: number;
  readonly signal: AbortSignal;
  readonly progress: Progress<Run['progress']>;
  readonly pace: Pace;
}

const writeBatch = 2_000;
const dayMs = 86_400_000;

/**
 * Does a run in one transaction: reads what nothing of its leg has matched yet, goes down the ladder, writes matches and
 * what they leave open, checks that every cent is matched or open, and finishes its job. Runs of one leg go one after
 * the other; what an earlier one matched stays matched.
 */
@Injectable()
export class Reconciler {
  readonly #rows = new RunsRepository();
  readonly #matches = new MatchesRepository();
  readonly #envelopes: Envelopes;

  constructor(private readonly parts: ReconciliationParts) {
    this.#envelopes = new Envelopes(parts.crypto);
  }

  async run(ctx: TenantContext, id: RunId, work: Work): Promise<void> {
    const run = await this.parts.sharding.read(ctx, (tx) => this.#rows.read(tx, id));
    if (!run) throw fail('run.not_found');
    if (run.status !== 'pending') return;
    const startedAt = monotonicMs();
    const progress = new Progress<Run['progress']>((done) =>
      this.parts.sharding.write(ctx, async (tx) => this.#rows.report(tx, id, done), { readBack: false }),
    );
    try {
      await this.parts.sharding.bulk(ctx, (tx) => this.#reconcile(tx, run, work, progress));
      this.parts.metrics.ran('completed', monotonicMs() - startedAt);
    } catch (error) {
      await progress.settled();
      this.parts.metrics.ran('failed', monotonicMs() - startedAt);
      if (work.attempt >= reconcileRun.attempts || !mayRetry(error)) await this.#fail(ctx, id, failureCode(error));
      throw error;
    }
  }

  async #reconcile(tx: BulkContext, { id, legId }: RunRow, work: Work, progress: Attempt['progress']): Promise<void> {
    await this.#rows.lockLeg(tx, legId);
    const run = await this.#rows.read(tx, id);
    if (run?.status !== 'pending') return;
    const records = await this.#rows.recordsOf(tx, run);
    const attempt: Attempt = { tx, run, records, signal: work.signal, progress, pace: new Pace() };
    const left = await this.#open(attempt, 'left', 0);
    const right = await this.#open(attempt, 'right', left.length);
    const found = await this.#climb(attempt, left, right);
    const ordinal = await this.#rows.nextOrdinal(tx, legId);
    await this.#write(attempt, ordinal, left, right, found);
    const totals = await this.#balanced(tx, run, found.matches.length);
    await progress.settled();
    await this.#complete(tx, run, { ordinal, matches: found.matches.length, totals });
    this.#measure(tx, left, right, found);
    await work.finish(tx);
  }

  /** Both sides are read by day and id, so that nothing depends on the order in which files came. */
  async #open({ tx, run, records, signal, progress, pace }: Attempt, side: Side, before: number) {
    const opened: Opened[] = [];
    for await (const rows of this.#matches.unmatched(tx, run, side)) {
      signal.throwIfAborted();
      if (opened.length + rows.length > runLimits.recordsPerSide) throw fail('run.too_many_records');
      for (const { id, date, amountMinor, sealed } of rows) {
        const texts = await this.#envelopes.openRecord(tx, id, sealed);
        opened.push({ id, date, amountMinor, currency: run.currency, ...texts });
        if (pace.isDue) await pace.rest();
      }
      progress.tell({ phase: 'reading', done: before + opened.length, total: records });
    }
    return opened;
  }

  async #climb({ run, signal, progress, pace }: Attempt, left: readonly Opened[], right: readonly Opened[]) {
    const steps = matchLadderSteps(left, right, run.ladder);
    let step = steps.next();
    while (!step.done) {
      signal.throwIfAborted();
      progress.tell({ phase: 'matching', done: step.value.rung, total: step.value.rungs });
      if (pace.isDue) await pace.rest();
      step = steps.next();
    }
    return step.value;
  }

  async #write(
    { tx, run, signal, progress, pace }: Attempt,
    ordinal: number,
    left: readonly Opened[],
    right: readonly Opened[],
    { matches }: LadderResult,
  ): Promise<void> {
    const place = { legId: run.legId, runId: run.id, ordinal, at: this.parts.clock.now() };
    for (let from = 0; from < matches.length; from += writeBatch) {
      signal.throwIfAborted();
      const batch = matches.slice(from, from + writeBatch).map(({ leftIndex, rightIndex, rung, allocatedMinor }) => {
        const sides = { left: at(left, leftIndex), right: at(right, rightIndex) };
        const key = matchKey(run.legId, [sides.left.id, sides.right.id]);
        return { id: newId<MatchId>(), rung: rung + 1, key, allocatedMinor, ...sides } satisfies NewMatch;
      });
      await this.#matches.insert(tx, place, batch);
      progress.tell({ phase: 'writing', done: from + batch.length, total: matches.length });
      await pace.rest();
    }
  }

  /** Every record's cents are matched or open, and each match takes the same from both sides; else nothing is kept. */
  async #balanced(tx: BulkContext, run: RunRow, matches: number): Promise<Readonly<Record<Side, SideTotals>>> {
    const left = await this.#matches.books(tx, run, 'left');
    const right = await this.#matches.books(tx, run, 'right');
    const balance = await this.#matches.balance(tx, run.id);
    const conserved = [left, right].every(
      ({ all, matched, open, broken }) =>
        broken === 0 && matched.count + open.count === all.count && matched.minor + open.minor === all.minor,
    );
    if (!conserved || balance.uneven > 0 || balance.matches !== matches)
      throw fail('reconciliation.not_conserved', { internal: `books of run ${run.id}` });
    return { left: totalsOf(left), right: totalsOf(right) };
  }

  async #complete(tx: BulkContext, { id, legId }: RunRow, result: Parameters<RunsRepository['complete']>[2]) {
    this.#rows.complete(tx, id, result, this.parts.clock.now());
    await this.parts.outbox.append(tx, runCompleted.entry(legId, { runId: id, matches: result.matches }));
    await this.parts.audit.record(tx, { action: 'reconciliation.complete_run', resourceType: 'run', resourceId: id });
  }

  #measure(tx: BulkContext, left: readonly Opened[], right: readonly Opened[], { matches }: LadderResult): void {
    const days = matches.map(({ leftIndex, rightIndex }) => daysBetween(at(left, leftIndex), at(right, rightIndex)));
    tx.afterCommit(() => {
      for (const each of days) this.parts.metrics.matched(each);
    });
  }

  /** The last failure of a job leaves a word on the run, so that nobody waits for it. */
  async #fail(ctx: TenantContext, id: RunId, code: string): Promise<void> {
    await this.parts.sharding.write(ctx, async (tx) => {
      if (!(await this.#rows.fail(tx, id, code, this.parts.clock.now()))) return;
      const event = { action: 'reconciliation.fail_run', resourceType: 'run', resourceId: id };
      await this.parts.audit.record(tx, { ...event, outcome: 'failure' });
    });
  }
}

const totalsOf = ({ all, matched, open }: SideTotals): SideTotals => ({ all, matched, open });

function at(records: readonly Opened[], index: number): Opened {
  const record = records[index];
  if (!record) throw new RangeError(`no record at ${index}`);
  return record;
}

/** The same leg and records are the same match, whoever finds it. */
const matchKey = (legId: LegId, records: readonly RecordId[]): Buffer =>
  createHash('sha256')
    .update([legId, ...[...records].sort()].join('|'))
    .digest();

const daysBetween = (a: Opened, b: Opened): number => Math.abs(Date.parse(a.date) - Date.parse(b.date)) / dayMs;
