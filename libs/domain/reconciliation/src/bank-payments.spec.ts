import { createReadStream, existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { type CsvRow, CsvScanner } from './csv-scanner.js';
import { type Matchable, matchLadder } from './ladder.js';
import { bindMapping, guessMapping, type RecordDraft } from './mapping.js';
import { booksOf, imbalancesOf, TotalsCounter } from './totals.js';

/** Payments as their senders and their receivers saw them, which others made: beside the repository. */
const folder = fileURLToPath(new URL('../../../../../shared/data/reconciliation', import.meta.url));
const files = ['bank_origin.csv', 'bank_destination.csv'].map((file) => path.join(folder, file));
const areThere = files.every((file) => existsSync(file));

interface Side {
  readonly records: readonly Matchable[];
  /** Which payment each record is: known to the test only. */
  readonly truth: readonly (string | undefined)[];
  readonly rejected: number;
  readonly totals: { readonly count: number; readonly sumMinor: number };
}

async function read(file: string): Promise<Side> {
  const scanner = new CsvScanner();
  const rows: CsvRow[] = [];
  for await (const chunk of createReadStream(file)) rows.push(...scanner.push(chunk));
  rows.push(...scanner.end());
  const header = scanner.header ?? [];
  const mapping = guessMapping(header);
  const binding = mapping === null ? null : bindMapping(mapping, header);
  if (binding === null || !('map' in binding)) throw new Error(`no mapping for ${file}`);
  const drafts: RecordDraft[] = [];
  const truth: (string | undefined)[] = [];
  const totals = new TotalsCounter();
  for (const row of rows) {
    const mapped = binding.map(row);
    if ('rejected' in mapped) continue;
    drafts.push(mapped.draft);
    totals.add(mapped.draft.amountMinor);
    truth.push('fields' in row ? row.fields[header.indexOf('pair_id')] : undefined);
  }
  const records = drafts.map((draft) => ({ ...draft, currency: 'USD' }));
  return { records, truth, rejected: rows.length - drafts.length, totals: totals.totals() };
}

const need = areThere ? '' : ` (skipped: ${folder} is not there)`;

(areThere ? describe : describe.skip)(`two files of 22,663 bank payments each${need}`, () => {
  it('are matched by amount and first six letters of the memo with a precision of 0.999, to the cent', async () => {
    const [left, right] = await Promise.all(files.map(read));
    if (left === undefined || right === undefined) throw new Error('two files');
    for (const side of [left, right])
      expect([side.records.length, side.rejected, side.totals.count]).toEqual([22_663, 0, 22_663]);
    const result = matchLadder(left.records, right.records, [[{ field: 'amount' }, { field: 'memo', prefix: 6 }]]);
    const hits = result.matches.filter(
      ({ leftIndex, rightIndex }) => left.truth[leftIndex] === right.truth[rightIndex],
    );
    expect(result.matches.length).toBeGreaterThan(5_000);
    expect(hits.length / result.matches.length).toBeGreaterThanOrEqual(0.999);
    const books = booksOf(left.records, right.records, result);
    expect(imbalancesOf(books)).toEqual([]);
    expect(books.map((each) => [each.left.amountsMinor, each.right.amountsMinor])).toEqual([
      [left.totals.sumMinor, right.totals.sumMinor],
    ]);
  });
});
