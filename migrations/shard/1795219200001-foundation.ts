import type { MigrationInterface, QueryRunner } from 'typeorm';
import { auditTables, idempotencyTable, migrationsTableGrants, outboxTable, tenantTableProcedures } from '../ground.js';

export class Foundation1795219200001 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`create extension if not exists btree_gist`);
    await runner.query(tenantTableProcedures);
    await runner.query(fence);
    await runner.query(outboxTable);
    await runner.query(idempotencyTable);
    await runner.query(auditTables);
    await runner.query(migrationsTableGrants);
  }

  async down(): Promise<void> {
    throw new Error('the foundation is not taken back: drop the database');
  }
}

/**
 * The first statement of every tenant transaction. It names the tenant for row-level security until the transaction
 * ends, holds off a move, and refuses with TS001 when this shard does not serve the tenant at that epoch.
 */
const fence = `
create table tenant_fence (
  tenant_id uuid primary key,
  epoch int not null check (epoch >= 1),
  state text not null default 'open' check (state in ('open', 'fenced', 'moved'))
);
call secure_tenant_table('tenant_fence', 'select');
call open_to_relay('tenant_fence', 'select, insert, update, delete');

create function enter_tenant(entered uuid, expected_epoch int) returns void
language plpgsql as $$
declare
  fence record;
begin
  perform set_config('app.tenant_id', entered::text, true);
  perform pg_advisory_xact_lock_shared(hashtextextended(entered::text, 0));
  select f.epoch, f.state into fence from tenant_fence f where f.tenant_id = entered;
  if not found or fence.epoch <> expected_epoch or fence.state <> 'open' then
    raise exception 'this shard does not serve the tenant at that epoch' using errcode = 'TS001';
  end if;
end $$;

-- On a replica: TS002 until it has replayed what the caller wrote.
create function enter_tenant_after(entered uuid, expected_epoch int, written pg_lsn) returns void
language plpgsql as $$
begin
  if pg_is_in_recovery() and coalesce(pg_last_wal_replay_lsn() < written, true) then
    raise exception 'this replica has not replayed that far' using errcode = 'TS002';
  end if;
  perform enter_tenant(entered, expected_epoch);
end $$;
`;
