import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { newId, type Page, type PageRequest, type TenantContext } from '#infra/kernel';
import type { ReadContext, WriteContext } from '#infra/sharding';
import { Envelopes } from './envelopes.js';
import { MatchesRepository } from './matches.repository.js';
import type { ReconciliationParts } from './parts.js';
import { fail } from './reconciliation.errors.js';
import { reconcileRun } from './reconciliation.jobs.js';
import { demand } from './reconciliation.policy.js';
import type { DatedKey, Match, MatchId, NewRun, OpenRecord, Run, RunId, Side } from './run.js';
import { runLimits } from './run.js';
import { type RunRow, RunsRepository } from './runs.repository.js';
import type { NewestKey } from './source.js';
import { SourcesRepository } from './sources.repository.js';
import type { StatementId } from './statement.js';

export interface StartedRun {
  readonly run: Run;
  /** A run of the same sources, ladder, days and statements was there: nothing is new. */
  readonly known: boolean;
}

/** Says how runs find what they find: with another number the same question is another run. */
const engineVersion = 1;

/** Runs: asked for here, done by the worker, read here. */
@Injectable()
export class RunsService {
  readonly #sources = new SourcesRepository();
  readonly #rows = new RunsRepository();
  readonly #matches = new MatchesRepository();
  readonly #envelopes: Envelopes;

  constructor(private readonly parts: Pick<ReconciliationParts, 'sharding' | 'audit' | 'outbox' | 'crypto' | 'clock'>) {
    this.#envelopes = new Envelopes(parts.crypto);
  }

  async start(ctx: TenantContext, asked: NewRun): Promise<StartedRun> {
    demand(ctx, 'run.start');
    if (asked.leftSourceId === asked.rightSourceId) throw fail('run.one_source');
    return this.parts.sharding.writeOnce(ctx, async (tx) => {
      await this.#expectFit(tx, asked);
      const statementIds = await this.#statementsOf(tx, asked);
      const started = await this.#insertOrFind(tx, asked, statementIds);
      await this.parts.audit.record(tx, {
        action: 'reconciliation.start_run',
        resourceType: 'run',
        resourceId: started.run.id,
      });
      return started;
    });
  }

  async read(ctx: TenantContext, id: RunId): Promise<Run> {
    demand(ctx, 'run.read');
    const row = await this.parts.sharding.read(ctx, (tx) => this.#expect(tx, id));
    await this.#recordRead(ctx, 'reconciliation.read_run', id);
    return runOf(row);
  }

  /** Newest first. */
  async list(ctx: TenantContext, page: PageRequest<NewestKey>): Promise<Page<Run, NewestKey>> {
    demand(ctx, 'run.read');
    const found = await this.parts.sharding.read(ctx, (tx) => this.#rows.list(tx, page), { from: 'replica' });
    await this.#recordRead(ctx, 'reconciliation.list_runs');
    return { ...found, items: found.items.map(runOf) };
  }

  /** What this run found, and not those before it. */
  async matches(
    ctx: TenantContext,
    id: RunId,
    page: PageRequest<{ readonly id: MatchId }>,
  ): Promise<Page<Match, { readonly id: MatchId }> & { readonly currency: string }> {
    demand(ctx, 'run.read');
    const { currency, found } = await this.parts.sharding.read(ctx, async (tx) => {
      const run = await this.#expectCompleted(tx, id);
      return { currency: run.currency, found: await this.#matches.ofRun(tx, id, page) };
    });
    const shown = found.items.flatMap(({ left, right }) => [left.recordId, right.recordId]);
    await this.#recordRead(ctx, 'reconciliation.read_matches', id, shown);
    return { ...found, currency };
  }

  /** Records of one side of which something was open when the run had ended. */
  async unmatched(
    ctx: TenantContext,
    id: RunId,
    side: Side,
    page: PageRequest<DatedKey>,
  ): Promise<Page<OpenRecord, DatedKey> & { readonly currency: string }> {
    demand(ctx, 'run.read');
    const { currency, found } = await this.parts.sharding.read(ctx, async (tx) => {
      const run = await this.#expectCompleted(tx, id);
      return { currency: run.currency, found: await this.#matches.openAfter(tx, run, side, page) };
    });
    const items = await Promise.all(
      found.items.map(async ({ sealed, ...row }) => ({
        ...row,
        ...(await this.#envelopes.openRecord(ctx, row.id, sealed)),
      })),
    );
    await this.#recordRead(
      ctx,
      'reconciliation.read_unmatched',
      id,
      items.map((item) => item.id),
    );
    return { ...found, items, currency };
  }

  async #expectFit(tx: ReadContext, { leftSourceId, rightSourceId }: NewRun): Promise<void> {
    const [left, right] = [await this.#sources.read(tx, leftSourceId), await this.#sources.read(tx, rightSourceId)];
    if (!left || !right) throw fail('source.not_found');
    if (left.currency !== right.currency) throw fail('run.currencies_differ');
  }

  async #statementsOf(tx: ReadContext, { leftSourceId, rightSourceId }: NewRun): Promise<readonly StatementId[]> {
    const left = await this.#rows.committed(tx, leftSourceId);
    const right = await this.#rows.committed(tx, rightSourceId);
    if (left.length === 0 || right.length === 0) throw fail('run.nothing_committed');
    if (left.length + right.length > runLimits.statements) throw fail('run.too_many_statements');
    return [...left, ...right];
  }

  async #insertOrFind(tx: WriteContext, asked: NewRun, statementIds: readonly StatementId[]): Promise<StartedRun> {
    const createdAt = this.parts.clock.now();
    const legId = await this.#rows.leg(tx, asked.leftSourceId, asked.rightSourceId, createdAt);
    const fingerprint = fingerprintOf(asked, statementIds);
    const id = newId<RunId>();
    const isNew = await this.#rows.insert(tx, { ...asked, id, legId, statementIds, fingerprint, createdAt });
    if (isNew) await this.parts.outbox.append(tx, reconcileRun.entry(legId, { runId: id }));
    const row = await (isNew ? this.#rows.read(tx, id) : this.#rows.ofFingerprint(tx, fingerprint));
    if (!row) throw fail('run.contended', { retryAfterMs: 1_000 });
    return { run: runOf(row), known: !isNew };
  }

  async #expect(tx: ReadContext, id: RunId): Promise<RunRow> {
    const run = await this.#rows.read(tx, id);
    if (!run) throw fail('run.not_found');
    return run;
  }

  async #expectCompleted(tx: ReadContext, id: RunId): Promise<RunRow> {
    const run = await this.#expect(tx, id);
    if (run.status !== 'completed') throw fail('run.not_completed');
    return run;
  }

  async #recordRead(ctx: TenantContext, action: string, id?: RunId, subjectIds: readonly string[] = []): Promise<void> {
    const resource = { resourceType: 'run', ...(id === undefined ? {} : { resourceId: id }) };
    await this.parts.audit.recordRead(ctx, { action, ...resource, subjectIds });
  }
}

/** Everything that decides what a run finds. */
function fingerprintOf(
  { leftSourceId, rightSourceId, ladder, from, to }: NewRun,
  statementIds: readonly StatementId[],
) {
  const asked = [engineVersion, leftSourceId, rightSourceId, ladder.map(canonical), from, to, statementIds];
  return createHash('sha256').update(JSON.stringify(asked)).digest();
}

/** The parts of a key in one order, however they were written. */
const canonical = (rung: NewRun['ladder'][number]): readonly string[] =>
  rung.map((part) => [part.field, 'prefix' in part ? (part.prefix ?? '') : ''].join(' ')).sort();

function runOf({ statementIds, ordinal: _, ...run }: RunRow): Run {
  return { ...run, statements: statementIds.length };
}
