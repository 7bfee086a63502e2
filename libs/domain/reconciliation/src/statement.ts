import type { Id, Instant } from '#infra/kernel';
import type { LocalDate } from '#infra/time';
import type { RejectionCode } from './mapping.js';
import type { SourceId } from './source.js';

export type StatementId = Id<'statement'>;
export type RecordId = Id<'record'>;

/**
 * `receiving`: its bytes are on their way. `received`: all of them are here, sealed. `committed`: they are records.
 * `rejected`: the file as a whole cannot be read. `failed`: we could not. The last two may be sent again.
 */
export const statementStatuses = ['receiving', 'received', 'committed', 'rejected', 'failed'] as const;
export type StatementStatus = (typeof statementStatuses)[number];

/** Why a file as a whole is refused. */
export const fileRefusals = [
  'no_header',
  'columns_missing',
  'columns_repeated',
  'too_many_lines',
  'sum_too_large',
  'quota_exceeded',
] as const;
export type FileRefusal = (typeof fileRefusals)[number];

export const statementLimits = {
  fileBytes: 50 * 1024 * 1024,
  lines: 1_000_000,
  partBytes: 256 * 1024,
} as const;

/** A source's own id for a record was used before, for one that says something else. */
export const idConflict = 'external_id_conflict';
export const rowRejections = [idConflict] as const;
export type RowRejection = RejectionCode | (typeof rowRejections)[number];

/** What a file held: `lines` = accepted + duplicates + rejected; blank lines and the header are none of them. */
export interface ControlTotals {
  readonly lines: number;
  readonly blankLines: number;
  readonly accepted: { readonly count: number; readonly minor: number };
  /** Rows that the source had sent before, in this file or in another. */
  readonly duplicates: { readonly count: number; readonly minor: number };
  readonly rejected: { readonly count: number };
  readonly firstDate: LocalDate | null;
  readonly lastDate: LocalDate | null;
}

/** One file of one source. */
export interface Statement {
  readonly id: StatementId;
  readonly sourceId: SourceId;
  readonly currency: string;
  readonly status: StatementStatus;
  readonly bytes: number;
  /** SHA-256 of the bytes, in hexadecimal. */
  readonly sha256: string | null;
  readonly progress: { readonly bytes: number; readonly lines: number };
  readonly totals: ControlTotals | null;
  /** A word of `fileRefusals`, or the code of our own failure; and the columns that it speaks of. */
  readonly refusal: { readonly code: string; readonly columns: readonly string[] } | null;
  readonly createdAt: Instant;
  readonly receivedAt: Instant | null;
  readonly endedAt: Instant | null;
}

/** What a record says beside its day and amount; personal, so sealed. */
export interface RecordTexts {
  readonly externalId: string | null;
  readonly reference: string | null;
  readonly memo: string | null;
}

export interface ReconRecord extends RecordTexts {
  readonly id: RecordId;
  readonly statementId: StatementId;
  readonly line: number;
  readonly date: LocalDate;
  readonly amountMinor: number;
}

/** A line of a file that is no record: why, and as it stood there. */
export interface RejectedRow {
  readonly id: string;
  readonly line: number;
  readonly code: RowRejection;
  readonly raw: string;
}

/** Where a page of a file's lines ends. */
export interface LineKey {
  readonly line: number;
}
