import type { MigrationInterface, QueryRunner } from 'typeorm';
import { auditTables, idempotencyTable, migrationsTableGrants, outboxTable, tenantTableProcedures } from '../ground.js';

export class Foundation1795219200001 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(tenantTableProcedures);
    await runner.query(map);
    await runner.query(tenantKeys);
    await runner.query(outboxTable);
    await runner.query(idempotencyTable);
    await runner.query(auditTables);
    await runner.query(migrationsTableGrants);
  }

  async down(): Promise<void> {
    throw new Error('the foundation is not taken back: drop the database');
  }
}

/** Which shard serves which tenant. Not tenant data: the router reads it before any tenant is entered. */
const map = `
create table shard (
  id text primary key check (id ~ '^shard-[0-9]+$'),
  state text not null default 'active' check (state in ('active', 'draining', 'readonly', 'down')),
  weight int not null default 100 check (weight between 1 and 10000),
  region text not null default 'default'
);
create table tenant (
  id uuid primary key,
  slug text not null unique check (slug ~ '^[a-z0-9][a-z0-9-]{1,62}$'),
  name text not null,
  plan text not null check (plan in ('FREE', 'BASIC', 'PROFESSIONAL', 'ENTERPRISE')),
  shard_id text not null references shard (id),
  epoch int not null default 1 check (epoch >= 1),
  state text not null default 'active' check (state in ('active', 'moving', 'fenced', 'suspended')),
  region text not null default 'default',
  created_at timestamptz not null
);
create index tenant_by_shard on tenant (shard_id);
grant select on shard, tenant to praxis_app, praxis_ro;
grant select, insert, update on shard, tenant to praxis_relay;

-- What has run where, and what stopped; written by \`praxis migrate\` alone.
create table schema_version (
  database text not null,
  migration text not null,
  state text not null check (state in ('running', 'done', 'failed')),
  attempts int not null default 1,
  error text,
  started_at timestamptz not null,
  finished_at timestamptz,
  primary key (database, migration)
);
grant select on schema_version to praxis_app, praxis_relay;

create function enter_tenant(entered uuid, expected_epoch int) returns void
language plpgsql as $$
begin
  perform set_config('app.tenant_id', entered::text, true);
  if not exists (select from tenant t where t.id = entered) then
    raise exception 'no such tenant' using errcode = 'TS001';
  end if;
end $$;

create function enter_tenant_after(entered uuid, expected_epoch int, written pg_lsn) returns void
language plpgsql as $$
begin
  if pg_is_in_recovery() and coalesce(pg_last_wal_replay_lsn() < written, true) then
    raise exception 'this replica has not replayed that far' using errcode = 'TS002';
  end if;
  perform enter_tenant(entered, expected_epoch);
end $$;
`;

/** Data keys, wrapped by the root key. Destroying a tenant's rows makes its envelopes unreadable for ever. */
const tenantKeys = `
create table tenant_key (
  tenant_id uuid not null,
  id uuid not null,
  purpose text not null,
  version int not null check (version between 1 and 65535),
  wrapped bytea not null,
  created_at timestamptz not null,
  destroyed_at timestamptz,
  primary key (tenant_id, id),
  unique (tenant_id, purpose, version)
);
call secure_tenant_table('tenant_key', 'select, insert, update');
`;
