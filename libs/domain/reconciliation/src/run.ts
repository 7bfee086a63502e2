import type { Id, Instant } from '#infra/kernel';
import type { LocalDate } from '#infra/time';
import type { Rung } from './ladder.js';
import type { SourceId } from './source.js';
import type { ReconRecord, RecordId, StatementId } from './statement.js';

export type RunId = Id<'run'>;
export type LegId = Id<'leg'>;
export type MatchId = Id<'match'>;

export const sides = ['left', 'right'] as const;
export type Side = (typeof sides)[number];

export const runStatuses = ['pending', 'completed', 'failed'] as const;
export type RunStatus = (typeof runStatuses)[number];
export const runPhases = ['waiting', 'reading', 'matching', 'writing', 'done'] as const;
export type RunPhase = (typeof runPhases)[number];

export const runLimits = { statements: 10_000, recordsPerSide: 500_000 } as const;

export interface NewRun {
  readonly leftSourceId: SourceId;
  readonly rightSourceId: SourceId;
  /** Tried in this order; each takes what those before it left. */
  readonly ladder: readonly Rung[];
  /** Days of the records, both included. */
  readonly from: LocalDate | null;
  readonly to: LocalDate | null;
}

export interface CountAndSum {
  readonly count: number;
  readonly minor: number;
}

/**
 * One side's records in the run's scope as they stood when it had ended: all = matched + open, to the minor unit. A record
 * of which something is left counts as open, and what is left of it is in the open sum.
 */
export interface SideTotals {
  readonly all: CountAndSum;
  /** By this run or an earlier one of the leg. */
  readonly matched: CountAndSum;
  readonly open: CountAndSum;
}

export interface Run extends NewRun {
  readonly id: RunId;
  readonly legId: LegId;
  readonly currency: string;
  /** Those that were committed when it was asked for. */
  readonly statements: number;
  readonly status: RunStatus;
  readonly progress: { readonly phase: RunPhase; readonly done: number; readonly total: number };
  /** Of this run alone. */
  readonly matches: number | null;
  readonly totals: Readonly<Record<Side, SideTotals>> | null;
  /** Code of the failure. */
  readonly failure: string | null;
  readonly createdAt: Instant;
  readonly endedAt: Instant | null;
}

export interface MatchedRecord {
  readonly recordId: RecordId;
  readonly statementId: StatementId;
  readonly line: number;
  readonly date: LocalDate;
  readonly amountMinor: number;
}

export interface Match {
  readonly id: MatchId;
  /** Which rung of the ladder found it, from 1. */
  readonly rung: number;
  /** What both sides give to it; the rest of either stays open. */
  readonly allocatedMinor: number;
  readonly left: MatchedRecord;
  readonly right: MatchedRecord;
}

/** A record of a run of which something was open when the run had ended. */
export interface OpenRecord extends ReconRecord {
  readonly openMinor: number;
}

/** Where a page of a run's open records ends. */
export interface DatedKey {
  readonly date: LocalDate;
  readonly id: RecordId;
}
