import { z } from 'zod';
import { type DecimalSign, moneyParser } from '#infra/kernel';
import { type LocalDate, parseLocalDate } from '#infra/time';
import { type CsvRecord, type CsvRow, malformations } from './csv-scanner.js';

export const dateFormats = ['YYYY-MM-DD', 'DD/MM/YYYY', 'MM/DD/YYYY', 'DD.MM.YYYY'] as const;
export type DateFormat = (typeof dateFormats)[number];
export const signs = ['as_is', 'inverted'] as const;

export const mappingLimits = {
  columnChars: 200,
  externalIdChars: 200,
  referenceChars: 200,
  memoChars: 2_000,
  /** Days outside of these are slips of the pen. */
  firstDate: '1970-01-01',
  lastDate: '2199-12-31',
} as const;

const column = z.string().trim().min(1).max(mappingLimits.columnChars);

/**
 * Which column of the header feeds which field. Money: one column, or one for what goes out and one for what comes in.
 * `inverted` turns the sign of a source that speaks from the other side; + is in the clinic's favour.
 */
export const mappingSchema = z
  .strictObject({
    amount: column.optional(),
    debit: column.optional(),
    credit: column.optional(),
    date: column,
    externalId: column.optional(),
    reference: column.optional(),
    memo: column.optional(),
    dateFormat: z.enum(dateFormats),
    decimal: z.enum(['.', ',']),
    currency: z.string().regex(/^[A-Z]{3}$/),
    sign: z.enum(signs),
  })
  .superRefine(({ amount, debit, credit }, context) => {
    const inOne = amount !== undefined && debit === undefined && credit === undefined;
    const inTwo = amount === undefined && debit !== undefined && credit !== undefined && debit !== credit;
    if (inOne || inTwo) return;
    context.addIssue({
      code: 'custom',
      path: ['amount'],
      message: 'name the amount column, or a debit and a credit column',
    });
  });
export type Mapping = z.infer<typeof mappingSchema>;

const columnFields = ['amount', 'debit', 'credit', 'date', 'externalId', 'reference', 'memo'] as const;
type ColumnField = (typeof columnFields)[number];

/** A row of a source as the books will have it; the currency is its mapping's. */
export interface RecordDraft {
  readonly line: number;
  readonly externalId: string | null;
  readonly date: LocalDate;
  readonly amountMinor: number;
  readonly reference: string | null;
  readonly memo: string | null;
}

/** Why a row of a file is no record. */
export const rejectionCodes = [
  ...malformations,
  'bad_date',
  'amount_missing',
  'bad_amount',
  'debit_and_credit',
  'signed_debit_or_credit',
  'external_id_too_long',
  'reference_too_long',
  'memo_too_long',
] as const;
export type RejectionCode = (typeof rejectionCodes)[number];

export type MappedRow = { readonly draft: RecordDraft } | { readonly rejected: RejectionCode };
export type RowMapper = (row: CsvRow) => MappedRow;

/** Columns are named as the mapping has them: those that the header lacks, and those that it has more than once. */
export type Binding =
  | { readonly map: RowMapper }
  | { readonly missing: readonly string[]; readonly repeated: readonly string[] };

/** Names are compared without regard to case and to space around them and repeated within. */
const nameOf = (column: string): string => column.trim().replaceAll(/\s+/g, ' ').toLowerCase();

export function bindMapping(mapping: Mapping, header: readonly string[]): Binding {
  const names = header.map(nameOf);
  const wanted = columnFields.flatMap((field) => {
    const column = mapping[field];
    return column === undefined ? [] : [{ field, column, at: places(names, nameOf(column)) }];
  });
  const missing = wanted.filter(({ at }) => at.length === 0).map(({ column }) => column);
  const repeated = wanted.filter(({ at }) => at.length > 1).map(({ column }) => column);
  if (missing.length + repeated.length > 0) return { missing: [...new Set(missing)], repeated: [...new Set(repeated)] };
  return { map: mapperOf(mapping, new Map(wanted.map(({ field, at }) => [field, at[0] ?? -1]))) };
}

const places = (names: readonly string[], name: string): readonly number[] =>
  names.flatMap((each, index) => (each === name ? [index] : []));

function mapperOf(mapping: Mapping, columns: ReadonlyMap<ColumnField, number>): RowMapper {
  const cell = (row: CsvRecord, field: ColumnField): string | null =>
    row.fields[columns.get(field) ?? -1]?.trim() || null;
  const dateOf = dateReader(mapping.dateFormat);
  const amountOf = amountReader(mapping);
  return (row) => {
    if ('malformed' in row) return { rejected: row.malformed };
    const date = dateOf(cell(row, 'date') ?? '');
    if (date === null) return { rejected: 'bad_date' };
    const amountMinor = amountOf(cell(row, 'amount'), cell(row, 'debit'), cell(row, 'credit'));
    if (typeof amountMinor !== 'number') return { rejected: amountMinor };
    const externalId = cell(row, 'externalId');
    const reference = cell(row, 'reference');
    const memo = cell(row, 'memo');
    if (isLonger(externalId, mappingLimits.externalIdChars)) return { rejected: 'external_id_too_long' };
    if (isLonger(reference, mappingLimits.referenceChars)) return { rejected: 'reference_too_long' };
    if (isLonger(memo, mappingLimits.memoChars)) return { rejected: 'memo_too_long' };
    return { draft: { line: row.line, externalId, date, amountMinor, reference, memo } };
  };
}

const isLonger = (text: string | null, max: number): boolean => text !== null && text.length > max;

type AmountReader = (amount: string | null, debit: string | null, credit: string | null) => number | RejectionCode;

/** Of debit and credit one is filled, or the other is 0; neither has a sign, for a sign there means two things. */
function amountReader({ amount: inOne, currency, decimal, sign }: Mapping): AmountReader {
  const parse = moneyParser({ currency, decimal });
  const signed = (minor: number) => (sign === 'inverted' && minor !== 0 ? -minor : minor);
  const read = (text: string | null) => (text === null ? 0 : parse(text));
  return (amount, debit, credit) => {
    const texts = inOne === undefined ? [debit, credit] : [amount];
    if (texts.every((text) => text === null)) return 'amount_missing';
    const [first, second] = inOne === undefined ? [read(credit), read(debit)] : [read(amount), 0];
    if (first === null || second === null) return 'bad_amount';
    if (inOne === undefined && (first < 0 || second < 0)) return 'signed_debit_or_credit';
    if (first !== 0 && second !== 0) return 'debit_and_credit';
    return signed(first - second);
  };
}

/** A time of day may follow the date and is not read; one with an offset makes the day uncertain and is refused. */
const timeOfDay = String.raw`(?:[ T]\d{1,2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?: ?[AP]M)?)?`;
const dayMonth = String.raw`(?<day>\d{1,2})`;
const monthOf = String.raw`(?<month>\d{1,2})`;
const yearOf = String.raw`(?<year>\d{4})`;
const datePatterns: Readonly<Record<DateFormat, RegExp>> = {
  'YYYY-MM-DD': new RegExp(String.raw`^${yearOf}-(?<month>\d{2})-(?<day>\d{2})${timeOfDay}$`, 'i'),
  'DD/MM/YYYY': new RegExp(`^${dayMonth}/${monthOf}/${yearOf}${timeOfDay}$`, 'i'),
  'MM/DD/YYYY': new RegExp(`^${monthOf}/${dayMonth}/${yearOf}${timeOfDay}$`, 'i'),
  'DD.MM.YYYY': new RegExp(String.raw`^${dayMonth}\.${monthOf}\.${yearOf}${timeOfDay}$`, 'i'),
};

/** Texts of dates that a reader remembers: files repeat a day many times. */
const rememberedDates = 1_024;

function dateReader(format: DateFormat): (text: string) => LocalDate | null {
  const remembered = new Map<string, LocalDate | null>();
  return (text) => {
    const known = remembered.get(text);
    if (known !== undefined) return known;
    if (remembered.size >= rememberedDates) remembered.clear();
    const date = parseDate(text, format);
    remembered.set(text, date);
    return date;
  };
}

/** Null for a day that does not exist. */
function parseDate(text: string, format: DateFormat): LocalDate | null {
  const { year = '', month = '', day = '' } = datePatterns[format].exec(text)?.groups ?? {};
  const date = parseLocalDate(`${year}-${month.padStart(2, '0')}-${day.padStart(2, '0')}`);
  if (date === undefined || date < mappingLimits.firstDate || date > mappingLimits.lastDate) return null;
  return date;
}

/** Names that sources give a field, in lower case and without signs. A tier counts only where those before it found none. */
const synonyms: Readonly<Record<ColumnField, readonly (readonly string[])[]>> = {
  amount: [
    ['amount', 'transaction amount', 'payment amount'],
    ['gross', 'net', 'total', 'gross amount', 'net amount', 'total amount', 'total collected'],
  ],
  debit: [['debit', 'debits', 'debit amount', 'withdrawal', 'withdrawals', 'money out', 'paid out']],
  credit: [['credit', 'credits', 'credit amount', 'deposit', 'deposits', 'money in', 'paid in']],
  date: [
    ['date', 'transaction date', 'trans date', 'payment date', 'business date', 'created', 'created utc', 'created on'],
    ['posted date', 'post date', 'posting date', 'booking date', 'value date', 'settlement date', 'arrival date'],
  ],
  externalId: [
    ['balance transaction id', 'psp reference'],
    ['payment id'],
    ['transaction id', 'transaction number'],
    ['external id', 'id'],
  ],
  reference: [
    ['reference', 'reference number', 'reference no', 'ref', 'merchant reference'],
    ['authorization code', 'auth code'],
    ['invoice number', 'invoice no'],
    ['order number', 'order no'],
  ],
  memo: [['description', 'transaction description'], ['memo'], ['details', 'narrative'], ['notes', 'note']],
};

const synonymOf = (column: string): string =>
  column
    .normalize('NFKD')
    .toLowerCase()
    .replaceAll('#', ' number ')
    .replaceAll(/[^\p{L}\p{N}]+/gu, ' ')
    .trim();

export interface GuessHints {
  /** The source's currency. */
  readonly currency?: string | undefined;
  /** Rows of the file: dates and amounts of all of them decide on the formats. Without any it is `YYYY-MM-DD` and a point. */
  readonly rows?: readonly (readonly string[])[] | undefined;
}

/** Null where a field that is needed is not found, or where two columns or two formats could be meant. */
export function guessMapping(
  header: readonly string[],
  { currency = 'USD', rows = [] }: GuessHints = {},
): Mapping | null {
  const names = header.map(synonymOf);
  const found = columnFields.map((field) => ({ field, at: columnsFor(field, names) }));
  if (found.some(({ at }) => at.length > 1)) return null;
  const columns = new Map(found.flatMap(({ field, at: [at] }) => (at === undefined ? [] : [[field, at] as const])));
  const values = (...fields: readonly ColumnField[]) =>
    rows.flatMap((row) =>
      fields.map((field) => row[columns.get(field) ?? -1]?.trim() ?? '').filter((text) => text !== ''),
    );
  const guess = {
    ...Object.fromEntries([...columns].map(([field, at]) => [field, header[at]?.trim()])),
    dateFormat: onlyDateFormat(values('date')),
    decimal: likelyDecimal(values('amount', 'debit', 'credit'), currency),
    currency,
    sign: 'as_is',
  };
  const mapping = mappingSchema.safeParse(guess);
  return mapping.success && 'map' in bindMapping(mapping.data, header) ? mapping.data : null;
}

function columnsFor(field: ColumnField, names: readonly string[]): readonly number[] {
  const tiers = synonyms[field].map((tier) => names.flatMap((name, index) => (tier.includes(name) ? [index] : [])));
  return tiers.find((tier) => tier.length > 0) ?? [];
}

function onlyDateFormat(texts: readonly string[]): DateFormat | null {
  if (texts.length === 0) return 'YYYY-MM-DD';
  const [only, other] = dateFormats.filter((format) => texts.every((text) => parseDate(text, format) !== null));
  return only === undefined || other !== undefined ? null : only;
}

/** A point where the texts fit both. */
function likelyDecimal(texts: readonly string[], currency: string): DecimalSign | null {
  const fits = (decimal: DecimalSign) => texts.map(moneyParser({ currency, decimal })).every((minor) => minor !== null);
  return (['.', ','] as const).find(fits) ?? null;
}
