import type { MigrationInterface, QueryRunner } from 'typeorm';

export class Reconciliation1795219200006 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(sources);
    await runner.query(uploads);
    await runner.query(records);
    await runner.query(runs);
    await runner.query(matches);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      drop table recon_leg_state, recon_match_line, recon_match, recon_run, recon_leg;
      drop view recon_record_inlet;
      drop function take_recon_record();
      drop table recon_record, recon_rejected_row, recon_upload_part, recon_statement, recon_source`);
  }
}

/** Where records come from: a till, a processor, a bank. mapping: which column of its files says what. */
const sources = `
create table recon_source (
  tenant_id uuid not null,
  id uuid not null,
  code text not null check (length(code) between 1 and 60),
  name text not null check (length(name) between 1 and 120),
  kind text not null check (kind in ('pos', 'processor', 'bank', 'loyalty', 'financing', 'giftcard', 'manual')),
  currency char(3) not null check (currency ~ '^[A-Z]{3}$'),
  mapping jsonb not null check (jsonb_typeof(mapping) = 'object'),
  created_by text not null,
  created_at timestamptz not null,
  primary key (tenant_id, id),
  constraint recon_source_code unique (tenant_id, code)
);
call secure_tenant_table('recon_source', 'select, insert, update');
`;

/** A file on its way in. Its bytes lie in sealed parts until they are records, and then nowhere. */
const uploads = `
-- content_hash: HMAC of the file; digest: its SHA-256, an envelope. Totals are there once it is committed.
create table recon_statement (
  tenant_id uuid not null,
  id uuid not null,
  source_id uuid not null,
  status text not null check (status in ('receiving', 'received', 'committed', 'rejected', 'failed')),
  bytes bigint not null default 0 check (bytes >= 0),
  parts int not null default 0 check (parts >= 0),
  content_hash bytea check (octet_length(content_hash) = 32),
  digest bytea,
  done_bytes bigint not null default 0,
  done_lines int not null default 0,
  lines int,
  blank_lines int,
  accepted_count int,
  accepted_minor bigint,
  duplicate_count int,
  duplicate_minor bigint,
  rejected_count int,
  first_date date,
  last_date date,
  refusal text,
  refused_columns text[],
  created_by text not null,
  created_at timestamptz not null,
  received_at timestamptz,
  ended_at timestamptz,
  primary key (tenant_id, id),
  constraint recon_statement_source foreign key (tenant_id, source_id) references recon_source (tenant_id, id),
  constraint recon_statement_whole check ((status = 'receiving') = (content_hash is null)),
  constraint recon_statement_refused check ((status in ('rejected', 'failed')) = (refusal is not null)),
  constraint recon_statement_totals check (case when status = 'committed'
    then coalesce(accepted_count + duplicate_count + rejected_count = lines and done_bytes = bytes
      and accepted_minor is not null and duplicate_minor is not null and blank_lines is not null, false)
    else num_nonnulls(lines, blank_lines, accepted_count, accepted_minor, duplicate_count, duplicate_minor,
      rejected_count, first_date, last_date) = 0 end)
);
create unique index recon_statement_once on recon_statement (tenant_id, source_id, content_hash)
  where status in ('received', 'committed');
create index recon_statement_by_source on recon_statement (tenant_id, source_id, id);
create index recon_statement_receiving_expiry on recon_statement (created_at) where status = 'receiving';
call secure_tenant_table('recon_statement');
call open_to_relay('recon_statement', 'select, delete');

create table recon_upload_part (
  tenant_id uuid not null,
  id uuid not null,
  statement_id uuid not null,
  part_no int not null check (part_no >= 1),
  bytes bytea not null,
  primary key (tenant_id, id),
  constraint recon_upload_part_once unique (tenant_id, statement_id, part_no)
);
comment on column recon_upload_part.bytes is 'an envelope';
alter table recon_upload_part alter column bytes set storage external;
call secure_tenant_table('recon_upload_part', 'select, insert, delete');
call open_to_relay('recon_upload_part', 'select, delete');

-- raw: an envelope.
create table recon_rejected_row (
  tenant_id uuid not null,
  id uuid not null,
  statement_id uuid not null,
  line_no int not null check (line_no >= 1),
  code text not null check (length(code) between 1 and 60),
  raw bytea not null,
  primary key (tenant_id, id),
  constraint recon_rejected_row_once unique (tenant_id, statement_id, line_no)
);
call secure_tenant_table('recon_rejected_row', 'select, insert');
call make_append_only('recon_rejected_row');
`;

/**
 * What a line of a file says, for ever. No foreign keys, which would cost a look-up per row: rows come only from the
 * transaction that commits their statement, which counts them against it.
 */
const records = `
-- key_hash: keyed hash of the source and its own id of the record or, where it has none, all that the row says; of rows
-- that say the same, the nth of a file has occurrence n. row_hash: keyed hash of source and row. content: an envelope.
create table recon_record (
  tenant_id uuid not null,
  id uuid not null,
  source_id uuid not null,
  statement_id uuid not null,
  line_no int not null check (line_no >= 1),
  business_date date not null,
  amount_minor bigint not null,
  currency char(3) not null,
  key_hash bytea not null check (octet_length(key_hash) = 16),
  occurrence_no int not null check (occurrence_no >= 1),
  row_hash bytea not null check (octet_length(row_hash) = 16),
  content bytea not null,
  created_at timestamptz not null,
  primary key (tenant_id, id),
  constraint recon_record_once unique (tenant_id, key_hash, occurrence_no),
  constraint recon_record_line unique (tenant_id, statement_id, line_no)
);
create index recon_record_by_date on recon_record (tenant_id, source_id, business_date, id);
call secure_tenant_table('recon_record', 'select, insert');
call make_append_only('recon_record');

-- COPY is refused on tables with row-level security; through this view every row passes the table's own.
create view recon_record_inlet with (security_invoker = true) as
  select tenant_id, id, source_id, statement_id, line_no, business_date, amount_minor, currency, key_hash,
         occurrence_no, row_hash, content, created_at
    from recon_record;
create function take_recon_record() returns trigger language plpgsql as $$
begin
  insert into recon_record (tenant_id, id, source_id, statement_id, line_no, business_date, amount_minor, currency,
    key_hash, occurrence_no, row_hash, content, created_at)
  values (new.tenant_id, new.id, new.source_id, new.statement_id, new.line_no, new.business_date, new.amount_minor,
    new.currency, new.key_hash, new.occurrence_no, new.row_hash, new.content, new.created_at);
  return new;
end $$;
create trigger take instead of insert on recon_record_inlet for each row execute function take_recon_record();
grant insert on recon_record_inlet to praxis_app;
`;

/** A leg is a pair of sources; a run matches what is open on one. */
const runs = `
-- low_source_id < high_source_id: a leg is the same from either side. runs: completed ones.
create table recon_leg (
  tenant_id uuid not null,
  id uuid not null,
  low_source_id uuid not null,
  high_source_id uuid not null,
  runs int not null default 0 check (runs >= 0),
  created_at timestamptz not null,
  primary key (tenant_id, id),
  check (low_source_id < high_source_id),
  constraint recon_leg_once unique (tenant_id, low_source_id, high_source_id),
  constraint recon_leg_low foreign key (tenant_id, low_source_id) references recon_source (tenant_id, id),
  constraint recon_leg_high foreign key (tenant_id, high_source_id) references recon_source (tenant_id, id)
);
call secure_tenant_table('recon_leg', 'select, insert, update');

-- statement_ids: whose records it looks at. ordinal: its place among the completed runs of its leg. Counts and sums are of
-- each side's records in its scope, as they stood when it had ended.
create table recon_run (
  tenant_id uuid not null,
  id uuid not null,
  leg_id uuid not null,
  left_source_id uuid not null,
  right_source_id uuid not null,
  ladder jsonb not null check (jsonb_typeof(ladder) = 'array'),
  date_from date,
  date_to date,
  statement_ids uuid[] not null,
  fingerprint bytea not null check (octet_length(fingerprint) = 32),
  status text not null check (status in ('pending', 'completed', 'failed')),
  phase text not null check (phase in ('waiting', 'reading', 'matching', 'writing', 'done')),
  done bigint not null default 0,
  total bigint not null default 0,
  ordinal int check (ordinal >= 1),
  matches int,
  left_count int, left_minor bigint,
  left_matched_count int, left_matched_minor bigint,
  left_open_count int, left_open_minor bigint,
  right_count int, right_minor bigint,
  right_matched_count int, right_matched_minor bigint,
  right_open_count int, right_open_minor bigint,
  failure text,
  created_by text not null,
  created_at timestamptz not null,
  ended_at timestamptz,
  primary key (tenant_id, id),
  constraint recon_run_leg foreign key (tenant_id, leg_id) references recon_leg (tenant_id, id),
  constraint recon_run_ended check ((status = 'pending') = (ended_at is null)),
  constraint recon_run_failed check ((status = 'failed') = (failure is not null)),
  constraint recon_run_conserves check (case when status = 'completed'
    then coalesce(left_matched_count + left_open_count = left_count and left_matched_minor + left_open_minor = left_minor
      and right_matched_count + right_open_count = right_count and right_matched_minor + right_open_minor = right_minor
      and ordinal is not null and matches >= 0, false)
    else num_nonnulls(left_count, left_minor, left_matched_count, left_matched_minor, left_open_count, left_open_minor,
      right_count, right_minor, right_matched_count, right_matched_minor, right_open_count, right_open_minor,
      ordinal, matches) = 0 end)
);
create unique index recon_run_once on recon_run (tenant_id, fingerprint) where status <> 'failed';
create index recon_run_by_leg on recon_run (tenant_id, leg_id, id);
call secure_tenant_table('recon_run', 'select, insert, update');
`;

/** What belongs together, and what that leaves open of each record on the leg. */
const matches = `
-- rung: which rung of the run's ladder, from 1. match_key: SHA-256 of the leg and its records' ids.
create table recon_match (
  tenant_id uuid not null,
  id uuid not null,
  leg_id uuid not null,
  run_id uuid not null,
  rung smallint not null check (rung >= 1),
  match_key bytea not null check (octet_length(match_key) = 32),
  created_at timestamptz not null,
  primary key (tenant_id, id),
  constraint recon_match_once unique (tenant_id, match_key)
);
create index recon_match_by_run on recon_match (tenant_id, run_id, id);
call secure_tenant_table('recon_match', 'select, insert');
call make_append_only('recon_match');

create table recon_match_line (
  tenant_id uuid not null,
  id uuid not null,
  match_id uuid not null,
  leg_id uuid not null,
  side text not null check (side in ('left', 'right')),
  record_id uuid not null,
  allocated_minor bigint not null,
  primary key (tenant_id, id),
  constraint recon_match_line_once unique (tenant_id, match_id, record_id)
);
create index recon_match_line_by_record on recon_match_line (tenant_id, leg_id, record_id);
call secure_tenant_table('recon_match_line', 'select, insert');
call make_append_only('recon_match_line');

-- One row for each record that something was allocated of; what has no row is open as a whole. ordinal: of the run.
create table recon_leg_state (
  tenant_id uuid not null,
  id uuid not null,
  leg_id uuid not null,
  record_id uuid not null,
  amount_minor bigint not null,
  open_minor bigint not null,
  ordinal int not null check (ordinal >= 1),
  primary key (tenant_id, id),
  constraint recon_leg_state_once unique (tenant_id, leg_id, record_id),
  constraint recon_leg_state_open check (open_minor between least(amount_minor, 0) and greatest(amount_minor, 0))
);
call secure_tenant_table('recon_leg_state', 'select, insert');
`;
