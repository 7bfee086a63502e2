/**
 * SQL that the directory and every shard start with. Part of both foundation migrations: what has run somewhere is
 * never edited, a change is a new migration.
 */

/** How a table becomes a tenant's: owner without login, forced row-level security, grants for the app and the read-only role. */
export const tenantTableProcedures = `
create procedure secure_tenant_table(secured regclass, app_privileges text default 'select, insert, update, delete')
language plpgsql as $$
begin
  execute format('alter table %s enable row level security', secured);
  execute format('alter table %s force row level security', secured);
  execute format(
    'create policy tenant on %s to praxis_app, praxis_ro
       using (tenant_id = nullif(current_setting(''app.tenant_id'', true), '''')::uuid)
       with check (tenant_id = nullif(current_setting(''app.tenant_id'', true), '''')::uuid)', secured);
  execute format('grant %s on %s to praxis_app', app_privileges, secured);
  execute format('grant select on %s to praxis_ro', secured);
end $$;

-- System workers see the rows of all tenants, in the tables that are opened to them and in no other.
create procedure open_to_relay(opened regclass, relay_privileges text)
language plpgsql as $$
begin
  execute format('create policy relay on %s to praxis_relay using (true) with check (true)', opened);
  execute format('grant %s on %s to praxis_relay', relay_privileges, opened);
end $$;

create function refuse_change() returns trigger language plpgsql as $$
begin
  raise exception '% is append-only', tg_table_name using errcode = 'insufficient_privilege';
end $$;

-- A row trigger reaches the partitions by itself, those to come included; each partition needs its own against TRUNCATE.
create procedure make_append_only(protected regclass)
language plpgsql as $$
declare
  part regclass;
begin
  execute format('create trigger append_only before update or delete on %s for each row execute function refuse_change()', protected);
  for part in select protected union select relid from pg_partition_tree(protected) loop
    execute format('create trigger append_only_truncate before truncate on %s for each statement execute function refuse_change()', part);
  end loop;
end $$;
`;

/** Facts to announce and jobs to do, written in the transaction of their cause. */
export const outboxTable = `
create table outbox (
  tenant_id uuid not null,
  id uuid not null,
  kind text not null check (kind in ('fact', 'job')),
  name text not null check (length(name) <= 100),
  key text not null check (length(key) <= 200),
  payload jsonb not null,
  request_id text not null,
  created_at timestamptz not null,
  next_at timestamptz not null,
  attempts int not null default 0,
  seq bigint,
  published_at timestamptz,
  finished_at timestamptz,
  outcome text check (outcome in ('done', 'dead')),
  error_code text,
  primary key (tenant_id, id),
  check ((finished_at is null) = (outcome is null))
) with (autovacuum_vacuum_scale_factor = 0.01, fillfactor = 80);
create index outbox_job_due on outbox (next_at) where kind = 'job' and finished_at is null;
create index outbox_job_done on outbox (finished_at) where outcome = 'done';
call secure_tenant_table('outbox', 'select, insert, update');
call open_to_relay('outbox', 'select, update, delete');
`;

/** Answers of POSTs that carried an Idempotency-Key, kept in the transaction of their effect. */
export const idempotencyTable = `
create table idempotency_key (
  tenant_id uuid not null,
  id uuid not null,
  actor_id text not null,
  key text not null check (length(key) between 1 and 255),
  route text not null,
  fingerprint bytea not null,
  answer bytea not null,
  created_at timestamptz not null,
  expires_at timestamptz not null,
  primary key (tenant_id, id),
  unique (tenant_id, actor_id, key)
);
create index idempotency_key_expiry on idempotency_key (expires_at);
call secure_tenant_table('idempotency_key', 'select, insert, delete');
call open_to_relay('idempotency_key', 'select, delete');

-- The lock's two halves keep it away from the fences' locks and one tenant's keys from another's, whatever a client sends.
-- One row: 'new' (go on, the key is yours until commit), 'busy' (another transaction works under it) or 'done'.
create function claim_idempotency_key(claiming_actor text, claimed_key text, at timestamptz)
returns table (state text, id uuid, fingerprint bytea, answer bytea)
language plpgsql as $$
declare
  tenant uuid := nullif(current_setting('app.tenant_id', true), '')::uuid;
begin
  if not pg_try_advisory_xact_lock(hashtext(tenant::text || claiming_actor), hashtext(claimed_key)) then
    return query select 'busy', null::uuid, null::bytea, null::bytea;
    return;
  end if;
  return query
    select 'done', k.id, k.fingerprint, k.answer from idempotency_key k
    where k.tenant_id = tenant and k.actor_id = claiming_actor and k.key = claimed_key and k.expires_at > at;
  if not found then
    delete from idempotency_key k where k.tenant_id = tenant and k.actor_id = claiming_actor and k.key = claimed_key;
    return query select 'new', null::uuid, null::bytea, null::bytea;
  end if;
end $$;
`;

const auditFrom = { year: 2026, month: 10 };
const auditMonths = 26;

/** The smallest UUIDv7 of an instant: ids order by their time, so partitions by id are partitions by month. */
const uuidAt = (ms: number): string => {
  const hex = ms.toString(16).padStart(12, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8)}-0000-0000-000000000000`;
};

function auditPartitions(): string {
  const statements: string[] = [];
  for (let n = auditFrom.month; n < auditFrom.month + auditMonths; n += 1) {
    const year = auditFrom.year + Math.floor(n / 12);
    const from = uuidAt(Date.UTC(auditFrom.year, n));
    const to = uuidAt(Date.UTC(auditFrom.year, n + 1));
    const suffix = `${year}_${String((n % 12) + 1).padStart(2, '0')}`;
    for (const parent of ['audit_event', 'audit_subject'])
      statements.push(
        `create table ${parent}_${suffix} partition of ${parent} for values from ('${from}') to ('${to}');`,
      );
  }
  return statements.join('\n');
}

/** Who saw or changed what: opaque ids and field names only. The app inserts and reads; nobody changes. */
export const auditTables = `
create table audit_event (
  tenant_id uuid not null,
  id uuid not null,
  at timestamptz not null,
  actor_type text not null check (actor_type in ('user', 'system', 'anonymous')),
  actor_id text,
  session_id uuid,
  ip inet,
  action text not null,
  resource_type text not null,
  resource_id uuid,
  subject_count int not null default 0,
  outcome text not null check (outcome in ('success', 'denied', 'failure')),
  route text,
  request_id text not null,
  fields text[] not null default '{}',
  version_from int,
  version_to int,
  primary key (tenant_id, id)
) partition by range (id);
create index audit_event_resource on audit_event (tenant_id, resource_id, id);
create index audit_event_actor on audit_event (tenant_id, actor_id, id);

-- One row for each thing of a person that a list or a search showed.
create table audit_subject (
  tenant_id uuid not null,
  id uuid not null,
  event_id uuid not null,
  subject_id uuid not null,
  primary key (tenant_id, id)
) partition by range (id);
create index audit_subject_subject on audit_subject (tenant_id, subject_id, id);

${auditPartitions()}
create table audit_event_later partition of audit_event default;
create table audit_subject_later partition of audit_subject default;

call secure_tenant_table('audit_event', 'select, insert');
call secure_tenant_table('audit_subject', 'select, insert');
call make_append_only('audit_event');
call make_append_only('audit_subject');
`;

/** TypeORM's own list of what has run; the apps read it to know whether they may start. */
export const migrationsTableGrants = `
grant select on migrations to praxis_app, praxis_ro, praxis_relay;
`;
