import type { QueryRunner } from 'typeorm';
import { fail } from './migration.errors.js';

/**
 * expand: adds what no running build misses; before the new build. backfill: fills rows that were there, in batches.
 * contract: removes what only former builds need; when it is asked for, and none of them runs.
 */
export const phases = ['expand', 'backfill', 'contract'] as const;
export type Phase = (typeof phases)[number];

/** One transaction of SQL. Each statement has `longestMs`, 60 s unless said otherwise: work that takes longer is a backfill. */
interface PlainMigration {
  up(runner: QueryRunner): Promise<unknown>;
  readonly phase?: 'expand' | 'contract';
  readonly longestMs?: number;
}

/** The whole of a table, a page of rows at a time, each page in a transaction of its own. */
export interface Backfill {
  readonly table: string;
  /** Columns of a unique key in whose order the pages follow; `(tenant_id, id)` unless said otherwise. */
  readonly key?: readonly string[];
  /** Rows of a page, 1…10,000; 1,000 unless said otherwise. */
  readonly batch?: number;
  /**
   * One UPDATE, INSERT or DELETE over `page`, the rows of the page by their key. It may run again for a page that a killed
   * run has done, so it must leave such rows as they are.
   */
  readonly statement: string;
}

/** An index of a table that is in use: built beside its writers, outside a transaction. */
export interface ConcurrentIndex {
  readonly name: string;
  readonly table: string;
  readonly unique?: boolean;
  /** What follows the table's name: `(tenant_id, created_at) where …`, `using gin (…)`. */
  readonly definition: string;
}

interface BackfillMigration {
  readonly backfill: Backfill;
}
interface IndexMigration {
  readonly indexes: readonly ConcurrentIndex[];
}

export type Migration = PlainMigration | BackfillMigration | IndexMigration;
/** Its name ends in 13 digits, by which migrations of one kind of database are ordered. */
export type MigrationClass = new () => Migration;

export interface Step {
  readonly name: string;
  readonly version: number;
  readonly phase: Phase;
  readonly migration: Migration;
}

const pageMax = 10_000;

/** In the order in which they run. Throws migration.refused for a list that cannot be meant. */
export function stepsOf(classes: readonly MigrationClass[]): readonly Step[] {
  const steps = classes.map(stepOf).sort((one, other) => one.version - other.version);
  const twice = steps.find(({ version }, n) => version === steps[n - 1]?.version);
  if (twice) throw fail('migration.refused', { internal: `two migrations have the number of ${twice.name}` });
  return steps;
}

function stepOf(each: MigrationClass): Step {
  const digits = /\d{13}$/.exec(each.name);
  if (!digits) throw fail('migration.refused', { internal: `the name ${each.name} does not end in 13 digits` });
  const migration = new each();
  if ('backfill' in migration) expectPages(each.name, migration.backfill);
  return { name: each.name, version: Number(digits[0]), phase: phaseOf(migration), migration };
}

function phaseOf(migration: Migration): Phase {
  if ('backfill' in migration) return 'backfill';
  return 'up' in migration ? (migration.phase ?? 'expand') : 'expand';
}

function expectPages(name: string, { batch = 1 }: Backfill): void {
  if (!Number.isInteger(batch) || batch < 1 || batch > pageMax)
    throw fail('migration.refused', { internal: `${name}: a batch is 1 to ${pageMax} rows` });
}
