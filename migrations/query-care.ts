import type { QueryRunner } from 'typeorm';

/** SQL that the directory and every shard get alike. Part of the migrations that name it: never edited. */

/**
 * What PostgreSQL counts of each statement, in a schema of its own; where a server does not offer the extension, or only a
 * superuser may create it, the statements of that server are not shown.
 */
const statements = `
do $$
declare
  migrating text := current_setting('role');
begin
  if not exists (select from pg_available_extensions where name = 'pg_stat_statements') then
    return;
  end if;
  perform set_config('role', 'none', true);
  create schema if not exists statements;
  create extension if not exists pg_stat_statements schema statements;
  grant usage on schema statements to praxis_app, praxis_ro;
  perform set_config('role', migrating, true);
exception when insufficient_privilege then
  raise notice 'pg_stat_statements needs a superuser: left out';
end $$;
`;

/** Jobs that were given up, newest first: what an operator reads across all tenants. */
export const deadJobsIndex = {
  name: 'outbox_job_dead',
  table: 'outbox',
  definition: `(finished_at desc, id desc) where outcome = 'dead'`,
} as const;

export async function addQueryCare(runner: QueryRunner): Promise<void> {
  await runner.query(statements);
}
