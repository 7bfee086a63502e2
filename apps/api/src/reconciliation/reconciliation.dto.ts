import { z } from 'zod';
import {
  ladderSchema,
  mappingSchema,
  type NewRun,
  type NewSource,
  type RunId,
  runPhases,
  runStatuses,
  type SourceId,
  type StatementId,
  sides,
  sourceKinds,
  statementStatuses,
} from '#domain/reconciliation';
import { idOf, instantText, line, listQuery, localDate, money, pageOf } from '../edge/index.js';

const columnChars = 200;

export const sourceId = idOf<SourceId>('source');
export const statementId = idOf<StatementId>('statement');
export const runId = idOf<RunId>('run');

const mapping = mappingSchema.refine(
  (columns) => Object.values(columns).every((text) => line(columnChars).safeParse(text).success),
  { message: 'names of columns must be plain text' },
);
export const newSource: z.ZodType<NewSource, unknown> = z.strictObject({
  code: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,59}$/),
  name: line(120),
  kind: z.enum(sourceKinds),
  mapping: mapping.meta({ description: 'which column of its files says what, by the names in their header' }),
});
export const source = z.strictObject({
  id: sourceId,
  code: z.string(),
  name: z.string(),
  kind: z.enum(sourceKinds),
  currency: z.string(),
  mapping: mappingSchema,
  createdAt: instantText,
});
export const sources = pageOf(source);
export const sourceList = listQuery({});

const count = z.int().min(0);
const countAndSum = z.strictObject({ count, sum: money });

const controlTotals = z
  .strictObject({
    lines: count.meta({ description: 'accepted + duplicates + rejected; header and blank lines are none of them' }),
    blankLines: count,
    accepted: countAndSum,
    duplicates: countAndSum.meta({ description: 'rows that the source had sent before, in this file or another' }),
    rejected: z.strictObject({ count }),
    firstDate: localDate.nullable(),
    lastDate: localDate.nullable(),
  })
  .meta({ description: 'null until the statement is committed' });

export const statement = z.strictObject({
  id: statementId,
  sourceId,
  status: z.enum(statementStatuses),
  bytes: count,
  sha256: z.string().nullable().meta({ description: 'of the bytes, in hexadecimal' }),
  progress: z.strictObject({ bytes: count, lines: count }),
  totals: controlTotals.nullable(),
  refusal: z
    .strictObject({ code: z.string(), columns: z.array(z.string()) })
    .nullable()
    .meta({ description: 'why a rejected or failed statement was refused, and the columns that were looked for' }),
  createdAt: instantText,
  receivedAt: instantText.nullable(),
  endedAt: instantText.nullable(),
});
export const statements = pageOf(statement);
export const statementList = listQuery({ sourceId: sourceId.optional() });

const text = z.string().nullable();
const place = { statementId, line: z.int().min(1), date: localDate, amount: money };
const texts = { externalId: text, reference: text, memo: text };

const record = z.strictObject({ id: z.uuid(), ...place, ...texts });
export const records = pageOf(record);
export const rejectedRow = z.strictObject({ line: z.int().min(1), code: z.string(), raw: z.string() });
export const rejectedRows = pageOf(rejectedRow);
export const lineList = listQuery({}, 'xlarge');

export const newRun: z.ZodType<NewRun, unknown> = z
  .strictObject({
    leftSourceId: sourceId,
    rightSourceId: sourceId,
    ladder: ladderSchema.meta({
      description: 'rungs, tried in this order: two records match where each is the only one of its side with that key',
    }),
    from: localDate.nullable().default(null).meta({ description: 'first day of the records' }),
    to: localDate.nullable().default(null).meta({ description: 'last day of the records, included' }),
  })
  .refine(({ from, to }) => from === null || to === null || from <= to, {
    path: ['to'],
    message: 'must not be before from',
  });

const sideTotals = z.strictObject({ records: count, sum: money, matched: countAndSum, open: countAndSum });
export const run = z.strictObject({
  id: runId,
  leftSourceId: sourceId,
  rightSourceId: sourceId,
  ladder: ladderSchema,
  from: localDate.nullable(),
  to: localDate.nullable(),
  statements: count.meta({ description: 'how many statements it looks at: those committed when it was asked for' }),
  status: z.enum(runStatuses),
  progress: z.strictObject({ phase: z.enum(runPhases), done: count, total: count }),
  matches: count.nullable().meta({ description: 'that this run found; earlier ones of the same sources stay' }),
  totals: z
    .strictObject({ left: sideTotals, right: sideTotals })
    .nullable()
    .meta({ description: 'as they stood when the run had ended: sum = matched + open, to the minor unit' }),
  failure: z.string().nullable(),
  createdAt: instantText,
  endedAt: instantText.nullable(),
});
export const runs = pageOf(run);
export const runList = listQuery({});

const matchedRecord = z.strictObject({ recordId: z.uuid(), ...place });
const match = z.strictObject({
  id: z.uuid(),
  rung: z.int().min(1).meta({ description: 'of the ladder, from 1' }),
  allocated: money.meta({ description: 'what each side gives to the match; the rest of a record stays open' }),
  left: matchedRecord,
  right: matchedRecord,
});
export const matches = pageOf(match);
export const matchList = listQuery({}, 'xlarge');

const openRecord = z.strictObject({ id: z.uuid(), ...place, open: money, ...texts });
export const openRecords = pageOf(openRecord);
export const openList = listQuery({ side: z.enum(sides) }, 'xlarge');

export type SourceAnswer = z.input<typeof source>;
export type StatementAnswer = z.input<typeof statement>;
export type RecordAnswer = z.input<typeof record>;
export type RejectedRowAnswer = z.input<typeof rejectedRow>;
export type RunAnswer = z.input<typeof run>;
export type MatchAnswer = z.input<typeof match>;
export type OpenRecordAnswer = z.input<typeof openRecord>;
