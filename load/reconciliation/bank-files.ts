import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '#infra/testing';
import { CannotRun } from '../report.js';

/** One side of payments that others made: what the product gets to see, and what only the drill knows. */
export interface BankFile {
  readonly name: string;
  /** Without the column pair_id. */
  readonly csv: string;
  /** Below the header. */
  readonly lines: number;
  readonly sumMinor: number;
  /** Which payment a line of the file is, by the line's number in the file, the header being 1. */
  pairAt(line: number): string | undefined;
}

const names = ['bank_origin.csv', 'bank_destination.csv'] as const;
const folder = (): string => join(projectRoot(), '../shared/data/reconciliation');

/** Throws a message for the person at the terminal where the files are not there. */
export function bankFiles(): readonly [BankFile, BankFile] {
  const [left, right] = names.map((name) => {
    const path = join(folder(), name);
    if (!existsSync(path))
      throw new CannotRun(
        `${path} is not there: this drill reads ${names.join(' and ')} (two views of the same payments, with the columns ` +
          'pair_id, memo, date, amount) from ../shared/data/reconciliation beside the clone',
      );
    return bankFile(name, readFileSync(path, 'utf8'));
  });
  if (left === undefined || right === undefined) throw new Error('two files');
  return [left, right];
}

/** pair_id is the first column and amount the last; memos are plain text on one line. */
export function bankFile(name: string, text: string): BankFile {
  const [header = '', ...rows] = text.trimEnd().split(/\r?\n/);
  if (header !== 'pair_id,memo,date,amount') throw new Error(`${name} begins with other columns: ${header}`);
  const pairs = rows.map((row) => /^(\d+),/.exec(row)?.[1]);
  const odd = pairs.indexOf(undefined);
  if (odd >= 0) throw new Error(`line ${odd + 2} of ${name} has no pair_id`);
  return {
    name,
    csv: [header, ...rows].map((row) => `${row.slice(row.indexOf(',') + 1)}\n`).join(''),
    lines: rows.length,
    sumMinor: rows.reduce((sum, row) => sum + minorOf(row.slice(row.lastIndexOf(',') + 1)), 0),
    pairAt: (line) => pairs[line - 2],
  };
}

/** Cents, from digits alone. */
function minorOf(amount: string): number {
  const [, sign = '', whole, cents = ''] = /^(-?)(\d+)(?:\.(\d{1,2}))?$/.exec(amount) ?? [];
  if (whole === undefined) throw new Error(`an amount that is none: ${amount}`);
  const minor = Number(whole) * 100 + Number(cents.padEnd(2, '0'));
  return sign === '-' ? -minor : minor;
}
