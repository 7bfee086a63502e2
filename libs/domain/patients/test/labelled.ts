import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { comparableOf, compare, type Grade } from '../src/matching.js';
import type { Demographics } from '../src/patient.js';
import { blockingTokensOf } from '../src/tokens.js';
import { addressOf, person } from './people.js';

/** Records that others made, beside the repository; `label` says who is the same person. */
export interface Labelled {
  readonly label: string;
  readonly demographics: Demographics;
}

/** Beside the repository. */
const folder = fileURLToPath(new URL('../../../../../shared/data/patients', import.meta.url));
export const pathOf = (file: string): string => path.join(folder, file);
export const isThere = (file: string): boolean => existsSync(pathOf(file));

function rowsOf(file: string): readonly (readonly string[])[] {
  const [, ...lines] = readFileSync(pathOf(file), 'utf8').trim().split('\n');
  return lines.map((line) => line.split(',').map((cell) => cell.trim()));
}

const text = (cell: string | undefined): string | null => (cell ? cell : null);

/** `19560409` → `1956-04-09`. */
const dashed = (date = ''): string | null =>
  date.length === 8 ? `${date.slice(0, 4)}-${date.slice(4, 6)}-${date.slice(6)}` : null;

/** 5,000 records of Febrl; the national number stays unused, because no patient here has one. */
export const febrl = (): readonly Labelled[] =>
  rowsOf('febrl3.csv').map(([id, given, family, number, street, , suburb, postcode, state, born]) => ({
    label: id?.split('-')[1] ?? '',
    demographics: person({
      family: family ?? '',
      given: text(given),
      birthDate: dashed(born),
      address: addressOf({
        street: text([number, street].filter(Boolean).join(' ')),
        city: text(suburb),
        postcode: text(postcode),
        region: text(state),
      }),
    }),
  }));

/** 1,000 records with much that is missing. */
export const fake = (): readonly Labelled[] =>
  rowsOf('fake_1000.csv').map(([, given, family, born, city, email, cluster]) => ({
    label: cluster ?? '',
    demographics: person({
      family: family ?? '',
      given: text(given),
      birthDate: text(born),
      email: text(email),
      address: city ? addressOf({ city }) : null,
    }),
  }));

export interface Quality {
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
}

/** How well pairs of at least that grade, found through the blocking tokens as a registration finds them, meet the labels. */
export function qualityOf(records: readonly Labelled[], grades: readonly Grade[]): Quality {
  const pairs = pairsOf(records);
  const people = records.map(({ demographics }) => comparableOf(demographics));
  const isTrue = (a: number, b: number) => records[a]?.label === records[b]?.label;
  let found = 0;
  let right = 0;
  for (const [a, b] of pairs) {
    const [one, another] = [people[a], people[b]];
    const grade = one && another ? compare(one, another).grade : null;
    if (grade === null || !grades.includes(grade)) continue;
    found += 1;
    if (isTrue(a, b)) right += 1;
  }
  const sizes = new Map<string, number>();
  for (const { label } of records) sizes.set(label, (sizes.get(label) ?? 0) + 1);
  const truth = [...sizes.values()].reduce((sum, n) => sum + (n * (n - 1)) / 2, 0);
  const [precision, recall] = [right / found, right / truth];
  return { precision, recall, f1: (2 * precision * recall) / (precision + recall) };
}

function pairsOf(records: readonly Labelled[]): readonly (readonly [number, number])[] {
  const blocks = new Map<string, number[]>();
  for (const [n, { demographics }] of records.entries())
    for (const { kind, text: key } of blockingTokensOf(demographics)) {
      const block = blocks.get(`${kind} ${key}`) ?? [];
      block.push(n);
      blocks.set(`${kind} ${key}`, block);
    }
  const pairs = new Map<string, readonly [number, number]>();
  for (const block of blocks.values())
    for (const [i, a] of block.entries()) for (const b of block.slice(i + 1)) pairs.set(`${a} ${b}`, [a, b]);
  return [...pairs.values()];
}
