import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What migrating without a pause needs to know: how far a backfill has come, and which builds run now. */
export class Migrating1795219200007 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(progress);
    await runner.query(builds);
  }

  async down(): Promise<void> {
    throw new Error('not taken back: a backfill may be under way');
  }
}

const progress = `
alter table schema_version
  add column rows_done bigint not null default 0,
  add column rows_expected bigint,
  -- Key of the last row that is done, as a JSON list of texts.
  add column rows_after text,
  add column noted_at timestamptz;`;

/** One row for each process that serves; written every 30 s. Newest migrations that it knows. */
const builds = `
create table running_build (
  id uuid primary key,
  app text not null check (length(app) <= 60),
  directory_max bigint not null,
  shard_max bigint not null,
  seen_at timestamptz not null
);
grant select, insert, update, delete on running_build to praxis_relay;`;
