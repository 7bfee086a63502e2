import { type CsvEncoding, decoded, encodingOf } from './csv-encoding.js';
import {
  type Delimiter,
  event,
  firstSeenKind,
  isCr,
  isLf,
  kindsOf,
  quotedFields,
  seen,
  sniffedDelimiter,
  state,
  stateShift,
  transitions,
} from './csv-grammar.js';

/** Why a row cannot be read. Each is about one row; the file goes on behind it. */
export const malformations = [
  'unclosed_quote',
  'stray_quote',
  'too_long',
  'too_many_columns',
  'wrong_column_count',
  'bad_encoding',
  'nul_byte',
  'no_header',
] as const;
export type Malformation = (typeof malformations)[number];

/** `line` is the physical line where the row starts, from 1; `raw` its text without the line end. */
export interface CsvRecord {
  readonly line: number;
  readonly fields: readonly string[];
  readonly raw: string;
}
export interface MalformedCsvRow {
  readonly line: number;
  readonly raw: string;
  readonly malformed: Malformation;
}
export type CsvRow = CsvRecord | MalformedCsvRow;

export interface CsvOptions {
  /** Without it, the one of the four that the header line has most of. */
  readonly delimiter?: Delimiter | undefined;
  readonly maxRowBytes?: number | undefined;
  readonly maxColumns?: number | undefined;
}

export const csvLimits = {
  maxRowBytes: 64 * 1024,
  maxColumns: 200,
  /** The start of the file that decides on encoding and delimiter: no row is given before it has arrived or the file ended. */
  sampleBytes: 64 * 1024,
} as const;

/** Chunks are worked through in slices, so that a large one needs no more memory. */
const sliceBytes = 64 * 1024;

/**
 * Reads CSV (RFC 4180) as it arrives: commas, semicolons, tabs or pipes; LF, CRLF or CR; line ends and doubled quotes
 * within quotes. The rows are the same however the bytes are cut into chunks. Promises:
 * - Blank lines are skipped and counted. The first other row is the header; a broken header leaves none, and then every
 *   row is `no_header`. Empty fields behind the last column are dropped, any other difference is `wrong_column_count`.
 * - A quote that is not closed within `maxRowBytes`, before the file ends, or before a stray one on a later line costs the
 *   line that opened it, and reading goes on with the next line. A row that is too long costs all of itself; its raw text
 *   is its first `maxRowBytes`.
 * - A byte-order mark means UTF-8. Otherwise the first 64 KiB vote for UTF-8 or Windows-1252; where they are all ASCII, the
 *   first row that is not. That holds for the whole file: later bytes that are no UTF-8 make their row `bad_encoding`.
 * - Memory: one row or one sample and one slice of a chunk, whatever the sizes of file and chunks.
 */
export class CsvScanner {
  private readonly maxRowBytes: number;
  private readonly maxColumns: number;
  private delimiterInUse: Delimiter | null;
  private encodingInUse: CsvEncoding | null = null;
  private headerFields: readonly string[] | null = null;
  private headerState: 'awaited' | 'read' | 'broken' = 'awaited';
  private phase: 'sampling' | 'scanning' | 'ended' = 'sampling';
  private blank = 0;

  private readonly buffer: Buffer;
  private kinds: Uint8Array = new Uint8Array(256);
  /** The row begins at `start`, `at` is the next byte to look at, what has arrived ends at `filled`. */
  private start = 0;
  private at = 0;
  private filled = 0;
  private line = 1;
  private state: number = state.fieldStart;
  private seen = 0;
  /** Line ends within the row's quotes, and the place of the first of them; −1 where there is none. */
  private linesWithin = 0;
  private firstLineEnd = -1;
  /** A LF at the start of the row belongs to the CR before it. */
  private afterCr = false;

  constructor({ delimiter, maxRowBytes, maxColumns }: CsvOptions = {}) {
    this.maxRowBytes = maxRowBytes ?? csvLimits.maxRowBytes;
    this.maxColumns = maxColumns ?? csvLimits.maxColumns;
    this.delimiterInUse = delimiter ?? null;
    this.buffer = Buffer.allocUnsafe(Math.max(this.maxRowBytes, csvLimits.sampleBytes) + 2 * sliceBytes);
  }

  /** Null until it was read, and where it is broken. */
  get header(): readonly string[] | null {
    return this.headerFields;
  }
  get delimiter(): Delimiter | null {
    return this.delimiterInUse;
  }
  /** Null while everything was ASCII. */
  get encoding(): CsvEncoding | null {
    return this.encodingInUse;
  }
  get blankLines(): number {
    return this.blank;
  }

  push(chunk: Buffer): readonly CsvRow[] {
    if (this.phase === 'ended') throw new Error('rows were asked for behind the end of the file');
    const rows: CsvRow[] = [];
    for (let from = 0; from < chunk.length; from += sliceBytes) {
      this.take(chunk.subarray(from, from + sliceBytes));
      if (this.phase === 'sampling' && this.filled >= csvLimits.sampleBytes) this.begin();
      if (this.phase === 'scanning') this.scan(rows);
    }
    return rows;
  }

  /** The rows that the last chunk left open. */
  end(): readonly CsvRow[] {
    const rows: CsvRow[] = [];
    if (this.phase === 'sampling') this.begin();
    this.phase = 'ended';
    this.scan(rows);
    while (this.start < this.filled) {
      if (this.state === state.quoted) this.giveUpQuote(rows);
      else this.finishRow(rows);
      this.scan(rows);
    }
    return rows;
  }

  private take(bytes: Buffer): void {
    if (this.filled + bytes.length > this.buffer.length) {
      this.buffer.copyWithin(0, this.start, this.filled);
      this.at -= this.start;
      this.filled -= this.start;
      if (this.firstLineEnd >= 0) this.firstLineEnd -= this.start;
      this.start = 0;
    }
    bytes.copy(this.buffer, this.filled);
    this.filled += bytes.length;
  }

  private begin(): void {
    const sample = this.buffer.subarray(0, Math.min(this.filled, csvLimits.sampleBytes));
    const marked = sample[0] === 0xef && sample[1] === 0xbb && sample[2] === 0xbf;
    if (marked) this.start = this.at = 3;
    this.encodingInUse = marked ? 'utf8' : encodingOf(sample);
    this.delimiterInUse ??= sniffedDelimiter(sample.subarray(this.start));
    this.kinds = kindsOf(this.delimiterInUse);
    this.phase = 'scanning';
  }

  private scan(rows: CsvRow[]): void {
    while (this.at < this.filled) {
      if (this.afterCr) this.passLf();
      const rowLimit = this.start + this.maxRowBytes + 1;
      const found = this.advance(this.state === state.skipping ? this.filled : Math.min(this.filled, rowLimit));
      if (found === event.rowEnd) this.finishRow(rows);
      else if (found === event.strayQuote) this.giveUpQuote(rows);
      else if (this.state === state.skipping) this.start = this.at;
      else if (this.at === rowLimit && this.state === state.quoted) this.giveUpQuote(rows);
      else if (this.at === rowLimit) this.giveUpRow(rows);
    }
  }

  private passLf(): void {
    this.afterCr = false;
    if (isLf(this.buffer[this.at])) this.start = this.at += 1;
  }

  /** Goes on to the row's end, to a stray quote behind its first line, or to `stop`. */
  private advance(stop: number): number {
    const { buffer, kinds } = this;
    let { at, state: now, seen: seenNow } = this;
    let found: number = state.fieldStart;
    for (; at < stop; at += 1) {
      const kind = kinds[buffer[at] ?? 0] ?? 0;
      if (kind >= firstSeenKind) seenNow |= 1 << kind;
      const next = transitions[(now << stateShift) | kind] ?? 0;
      if (next < event.rowEnd) {
        now = next;
        continue;
      }
      found = next;
      if (found === event.rowEnd || (found === event.strayQuote && this.firstLineEnd >= 0)) break;
      if (found === event.strayQuote) now = state.stray;
      else this.crossLine(at);
      found = state.fieldStart;
    }
    this.at = at;
    this.state = now;
    this.seen = seenNow;
    return found;
  }

  /** Of CRLF the CR ends the line. */
  private crossLine(at: number): void {
    if (isLf(this.buffer[at]) && isCr(this.buffer[at - 1])) return;
    this.linesWithin += 1;
    if (this.firstLineEnd < 0) this.firstLineEnd = at;
  }

  private finishRow(rows: CsvRow[]): void {
    if (this.state !== state.skipping) {
      if (this.at > this.start) this.give(this.read(this.start, this.at), rows);
      else this.blank += 1;
    }
    this.nextRow(Math.min(this.at + 1, this.filled), this.linesWithin + 1);
  }

  private nextRow(start: number, lines: number): void {
    this.line += lines;
    this.start = this.at = start;
    this.afterCr = isCr(this.buffer[start - 1]);
    this.state = state.fieldStart;
    this.seen = 0;
    this.linesWithin = 0;
    this.firstLineEnd = -1;
  }

  private giveUpRow(rows: CsvRow[]): void {
    const malformed = this.state === state.stray ? 'stray_quote' : 'too_long';
    this.give(this.malformed(malformed, this.start, this.start + this.maxRowBytes), rows);
    this.skip();
  }

  private giveUpQuote(rows: CsvRow[]): void {
    const onFirstLine = this.firstLineEnd < 0;
    const end = onFirstLine ? Math.min(this.at, this.start + this.maxRowBytes) : this.firstLineEnd;
    this.give(this.malformed('unclosed_quote', this.start, end), rows);
    if (onFirstLine) this.skip();
    else this.nextRow(end + 1, 1);
  }

  private skip(): void {
    this.state = state.skipping;
    this.start = this.at;
  }

  private give(row: CsvRow, rows: CsvRow[]): void {
    if (this.headerState === 'awaited') {
      this.headerState = 'fields' in row ? 'read' : 'broken';
      if ('fields' in row) this.headerFields = row.fields;
      else rows.push(row);
    } else if (this.headerState === 'broken') rows.push({ line: row.line, raw: row.raw, malformed: 'no_header' });
    else rows.push(row);
  }

  private read(start: number, end: number): CsvRow {
    const { text: raw, faithful } = this.textOf(start, end);
    const fields = this.fieldsOf(raw);
    const malformed = this.faultOf(faithful, fields.length);
    return malformed === null ? { line: this.line, fields, raw } : { line: this.line, raw, malformed };
  }

  private fieldsOf(raw: string): readonly string[] {
    const delimiter = this.delimiterInUse ?? ',';
    const max = this.maxColumns + 1;
    const quoted = (this.seen & seen.quote) !== 0;
    const fields = quoted ? quotedFields(raw, delimiter, max) : raw.split(delimiter, max);
    const columns = this.headerFields?.length ?? max;
    while (fields.length > columns && fields.at(-1) === '') fields.pop();
    return fields;
  }

  private faultOf(faithful: boolean, fields: number): Malformation | null {
    if (this.state === state.stray) return 'stray_quote';
    if ((this.seen & seen.nul) !== 0) return 'nul_byte';
    if (!faithful) return 'bad_encoding';
    if (fields > this.maxColumns) return 'too_many_columns';
    return this.headerFields === null || fields === this.headerFields.length ? null : 'wrong_column_count';
  }

  private malformed(malformed: Malformation, start: number, end: number): MalformedCsvRow {
    return { line: this.line, raw: this.textOf(start, end).text, malformed };
  }

  private textOf(start: number, end: number): { readonly text: string; readonly faithful: boolean } {
    if ((this.seen & seen.high) === 0) return { text: this.buffer.toString('latin1', start, end), faithful: true };
    const bytes = this.buffer.subarray(start, end);
    this.encodingInUse ??= encodingOf(bytes);
    return decoded(bytes, this.encodingInUse ?? 'cp1252');
  }
}
