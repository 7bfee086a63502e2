import { MoneyOverflow } from '#infra/kernel';
import type { LocalDate } from '#infra/time';
import { type CsvRow, CsvScanner } from './csv-scanner.js';
import { bindMapping, type Mapping, type RecordDraft, type RowMapper } from './mapping.js';
import type { Pace } from './pace.js';
import type { Placed, RecordKey, RecordKeys } from './record-keys.js';
import type { ControlTotals, FileRefusal, RowRejection } from './statement.js';
import { idConflict, statementLimits } from './statement.js';
import { TotalsCounter } from './totals.js';

/** A row that is a record unless the source has sent it before. */
export interface KeyedDraft {
  readonly draft: RecordDraft;
  readonly key: RecordKey;
  readonly raw: string;
}
export interface RejectedLine {
  readonly line: number;
  readonly code: RowRejection;
  readonly raw: string;
}
export interface Sorted {
  readonly drafts: readonly KeyedDraft[];
  readonly rejected: readonly RejectedLine[];
}

/** The file as a whole cannot be read. */
export class FileRefused extends Error {
  override readonly name = 'FileRefused';
  constructor(
    readonly code: FileRefusal,
    readonly columns: readonly string[] = [],
  ) {
    super(code);
  }
}

/** One file as it is read, part by part, and what it held so far. */
export class StatementFile {
  readonly #scanner = new CsvScanner();
  readonly #accepted = new TotalsCounter();
  readonly #duplicates = new TotalsCounter();
  #rejected = 0;
  #lines = 0;
  #firstDate: LocalDate | null = null;
  #lastDate: LocalDate | null = null;
  #map: RowMapper | undefined;

  constructor(
    private readonly mapping: Mapping,
    private readonly keys: Pick<RecordKeys, 'place'>,
    private readonly pace: Pace,
  ) {}

  get lines(): number {
    return this.#lines;
  }

  /** The rows that end in this part. Throws FileRefused. */
  read(part: Buffer): Promise<Sorted> {
    return this.#sort(this.#scanner.push(part));
  }

  /** The rows that the last part left open. */
  end(): Promise<Sorted> {
    return this.#sort(this.#scanner.end(), true);
  }

  accept({ amountMinor, date }: RecordDraft): void {
    this.#add(this.#accepted, amountMinor);
    if (this.#firstDate === null || date < this.#firstDate) this.#firstDate = date;
    if (this.#lastDate === null || date > this.#lastDate) this.#lastDate = date;
  }

  duplicate({ amountMinor }: RecordDraft): void {
    this.#add(this.#duplicates, amountMinor);
  }

  reject(): void {
    this.#rejected += 1;
  }

  totals(): ControlTotals {
    const [accepted, duplicates] = [this.#accepted.totals(), this.#duplicates.totals()];
    return {
      lines: this.#lines,
      blankLines: this.#scanner.blankLines,
      accepted: { count: accepted.count, minor: accepted.sumMinor },
      duplicates: { count: duplicates.count, minor: duplicates.sumMinor },
      rejected: { count: this.#rejected },
      firstDate: this.#firstDate,
      lastDate: this.#lastDate,
    };
  }

  async #sort(rows: readonly CsvRow[], isEnd = false): Promise<Sorted> {
    const sorted = { drafts: [] as KeyedDraft[], rejected: [] as RejectedLine[] };
    const map = this.#mapper(isEnd || rows.length > 0);
    for (const row of rows) {
      this.#lines += 1;
      if (this.#lines > statementLimits.lines) throw new FileRefused('too_many_lines');
      if (map) await this.#place(row, map, sorted);
      if (this.pace.isDue) await this.pace.rest();
    }
    return sorted;
  }

  async #place(row: CsvRow, map: RowMapper, { drafts, rejected }: { drafts: KeyedDraft[]; rejected: RejectedLine[] }) {
    const { line, raw } = row;
    const mapped = map(row);
    if ('rejected' in mapped) {
      rejected.push({ line, raw, code: mapped.rejected });
      return;
    }
    const placed: Placed = await this.keys.place(mapped.draft);
    if (placed.is === 'new') drafts.push({ draft: mapped.draft, key: placed.key, raw });
    else if (placed.is === 'duplicate') this.duplicate(mapped.draft);
    else rejected.push({ line, raw, code: idConflict });
  }

  /** Undefined while the header has not arrived. */
  #mapper(isNeeded: boolean): RowMapper | undefined {
    if (this.#map || !isNeeded) return this.#map;
    const { header } = this.#scanner;
    if (header === null) throw new FileRefused('no_header');
    const binding = bindMapping(this.mapping, header);
    if ('map' in binding) this.#map = binding.map;
    else if (binding.missing.length > 0) throw new FileRefused('columns_missing', binding.missing);
    else throw new FileRefused('columns_repeated', binding.repeated);
    return this.#map;
  }

  #add(totals: TotalsCounter, amountMinor: number): void {
    try {
      totals.add(amountMinor);
    } catch (error) {
      throw error instanceof MoneyOverflow ? new FileRefused('sum_too_large') : error;
    }
  }
}
