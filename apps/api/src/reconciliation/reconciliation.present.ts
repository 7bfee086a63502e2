import type {
  ControlTotals,
  Match,
  MatchedRecord,
  OpenRecord,
  ReconRecord,
  RejectedRow,
  Run,
  SideTotals,
  Source,
  Statement,
} from '#domain/reconciliation';
import { utcText } from '../edge/index.js';
import type {
  MatchAnswer,
  OpenRecordAnswer,
  RecordAnswer,
  RejectedRowAnswer,
  RunAnswer,
  SourceAnswer,
  StatementAnswer,
} from './reconciliation.dto.js';

const atOrNull = (instantMs: number | null): string | null => (instantMs === null ? null : utcText(instantMs));
const moneyOf = (amountMinor: number, currency: string) => ({ amountMinor, currency });

export const presentSource = ({ id, code, name, kind, currency, mapping, createdAt }: Source): SourceAnswer => ({
  id,
  code,
  name,
  kind,
  currency,
  mapping,
  createdAt: utcText(createdAt),
});

export const presentStatement = (shown: Statement): StatementAnswer => ({
  id: shown.id,
  sourceId: shown.sourceId,
  status: shown.status,
  bytes: shown.bytes,
  sha256: shown.sha256,
  progress: shown.progress,
  totals: shown.totals && presentTotals(shown.totals, shown.currency),
  refusal: shown.refusal && { code: shown.refusal.code, columns: [...shown.refusal.columns] },
  createdAt: utcText(shown.createdAt),
  receivedAt: atOrNull(shown.receivedAt),
  endedAt: atOrNull(shown.endedAt),
});

const countAndSum = ({ count, minor }: { count: number; minor: number }, currency: string) => ({
  count,
  sum: moneyOf(minor, currency),
});

const presentTotals = (totals: ControlTotals, currency: string) => ({
  lines: totals.lines,
  blankLines: totals.blankLines,
  accepted: countAndSum(totals.accepted, currency),
  duplicates: countAndSum(totals.duplicates, currency),
  rejected: { count: totals.rejected.count },
  firstDate: totals.firstDate,
  lastDate: totals.lastDate,
});

/** Presenters of lists whose money is all of one currency. */
export const inCurrency = (currency: string) => ({
  record: (shown: ReconRecord): RecordAnswer => ({
    id: shown.id,
    ...placeOf(shown, currency),
    ...textsOf(shown),
  }),
  openRecord: (shown: OpenRecord): OpenRecordAnswer => ({
    id: shown.id,
    ...placeOf(shown, currency),
    open: moneyOf(shown.openMinor, currency),
    ...textsOf(shown),
  }),
  match: ({ id, rung, allocatedMinor, left, right }: Match): MatchAnswer => ({
    id,
    rung,
    allocated: moneyOf(allocatedMinor, currency),
    left: { recordId: left.recordId, ...placeOf(left, currency) },
    right: { recordId: right.recordId, ...placeOf(right, currency) },
  }),
});

const placeOf = ({ statementId, line, date, amountMinor }: Omit<MatchedRecord, 'recordId'>, currency: string) => ({
  statementId,
  line,
  date,
  amount: moneyOf(amountMinor, currency),
});

const textsOf = ({ externalId, reference, memo }: ReconRecord) => ({ externalId, reference, memo });

export const presentRejectedRow = ({ line, code, raw }: RejectedRow): RejectedRowAnswer => ({ line, code, raw });

export const presentRun = (shown: Run): RunAnswer => ({
  id: shown.id,
  leftSourceId: shown.leftSourceId,
  rightSourceId: shown.rightSourceId,
  ladder: shown.ladder.map((rung) => [...rung]),
  from: shown.from,
  to: shown.to,
  statements: shown.statements,
  status: shown.status,
  progress: shown.progress,
  matches: shown.matches,
  totals: shown.totals && {
    left: presentSide(shown.totals.left, shown.currency),
    right: presentSide(shown.totals.right, shown.currency),
  },
  failure: shown.failure,
  createdAt: utcText(shown.createdAt),
  endedAt: atOrNull(shown.endedAt),
});

const presentSide = ({ all, matched, open }: SideTotals, currency: string) => ({
  records: all.count,
  sum: moneyOf(all.minor, currency),
  matched: countAndSum(matched, currency),
  open: countAndSum(open, currency),
});
