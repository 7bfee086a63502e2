import type { QueryRunner } from 'typeorm';
import type { Step } from './migration.js';
import type { VersionNotes } from './version-notes.js';

/** What a step works with: one connection to its database, waiting, and where its progress is told. */
export interface StepWork {
  /** Of the database. */
  readonly name: string;
  readonly runner: QueryRunner;
  readonly notes: VersionNotes;
  /** Runs `work` again where it finds no lock, and says so each time. */
  retried<T>(step: Step, work: () => Promise<T>): Promise<T>;
  rest(ms: number): Promise<void>;
  say(step: Step, text: string): void;
  /** Throws migration.unfinished when another database has failed. */
  expectGoingOn(step: Step): void;
  /** Asks PostgreSQL's own views, as the admin: the owner of the tables is not shown what others do. */
  watching<Row>(sql: string): Promise<readonly Row[]>;
  /** Sets what the connection has for a while, outside transactions; in milliseconds. */
  withSettings<T>(wanted: Readonly<Record<string, number>>, work: () => Promise<T>): Promise<T>;
}
