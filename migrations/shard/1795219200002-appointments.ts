import type { MigrationInterface, QueryRunner } from 'typeorm';

export class Appointments1795219200002 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(catalogue);
    await runner.query(calendar);
    await runner.query(appointments);
    await runner.query(claims);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      drop table time_claim, appointment_history, appointment_resource, appointment,
        block, schedule_override, schedule, resource_service, resource, service, location`);
  }
}

/** Where, what, and who or what it takes. Nothing here is deleted: what is no longer offered is not active. */
const catalogue = `
create table location (
  tenant_id uuid not null,
  id uuid not null,
  name text not null check (length(name) between 1 and 120),
  tz text not null check (length(tz) between 1 and 64),
  active boolean not null default true,
  version int not null default 1 check (version >= 1),
  created_at timestamptz not null,
  updated_at timestamptz not null,
  primary key (tenant_id, id)
);
call secure_tenant_table('location', 'select, insert, update');

-- segments: [{"kind": "provider" | "room" | "device", "offsetMin": -240…, "durationMin": 1…}], offsets from the start.
-- reach_*_min: how far the earliest segment begins before the start and the last ends after it.
create table service (
  tenant_id uuid not null,
  id uuid not null,
  name text not null check (length(name) between 1 and 120),
  duration_min int not null check (duration_min between 1 and 1440),
  segments jsonb not null check (jsonb_typeof(segments) = 'array' and jsonb_array_length(segments) between 1 and 6),
  reach_before_min int not null check (reach_before_min between 0 and 1440),
  reach_after_min int not null check (reach_after_min between 1 and 2880),
  grid_step_min int not null check (grid_step_min between 1 and 1440),
  grid_anchor text not null check (grid_anchor in ('midnight', 'opening')),
  notice_min int not null check (notice_min between 0 and 525600),
  horizon_days int not null check (horizon_days between 1 and 730),
  active boolean not null default true,
  version int not null default 1 check (version >= 1),
  created_at timestamptz not null,
  updated_at timestamptz not null,
  primary key (tenant_id, id)
);
call secure_tenant_table('service', 'select, insert, update');

create table resource (
  tenant_id uuid not null,
  id uuid not null,
  location_id uuid not null,
  kind text not null check (kind in ('provider', 'room', 'device', 'person')),
  name text not null check (length(name) between 1 and 120),
  capacity smallint not null default 1 check (capacity between 1 and 50),
  active boolean not null default true,
  version int not null default 1 check (version >= 1),
  created_at timestamptz not null,
  updated_at timestamptz not null,
  primary key (tenant_id, id),
  constraint resource_location foreign key (tenant_id, location_id) references location (tenant_id, id)
);
create index resource_by_location on resource (tenant_id, location_id, kind, id);
call secure_tenant_table('resource', 'select, insert, update');

-- Who or what can serve which service.
create table resource_service (
  tenant_id uuid not null,
  id uuid not null,
  resource_id uuid not null,
  service_id uuid not null,
  created_at timestamptz not null,
  primary key (tenant_id, id),
  constraint resource_service_once unique (tenant_id, service_id, resource_id),
  constraint resource_service_resource foreign key (tenant_id, resource_id) references resource (tenant_id, id),
  constraint resource_service_service foreign key (tenant_id, service_id) references service (tenant_id, id)
);
create index resource_service_by_resource on resource_service (tenant_id, resource_id, service_id);
call secure_tenant_table('resource_service', 'select, insert, delete');
`;

/** When a resource is open: dated weekly rules in the wall time of its location, one day's exceptions, time off. */
const calendar = `
-- rules: [{"weekday": 1 (Monday) … 7, "opens": 0…1439, "closes": 1…1440}], minutes of the local day.
create table schedule (
  tenant_id uuid not null,
  id uuid not null,
  resource_id uuid not null,
  valid_from date not null,
  valid_to date,
  rules jsonb not null check (jsonb_typeof(rules) = 'array'),
  created_at timestamptz not null,
  primary key (tenant_id, id),
  check (valid_to is null or valid_to > valid_from),
  constraint schedule_no_overlap exclude using gist
    (tenant_id with =, resource_id with =, daterange(valid_from, valid_to) with &&),
  constraint schedule_resource foreign key (tenant_id, resource_id) references resource (tenant_id, id)
);
create index schedule_by_resource on schedule (tenant_id, resource_id, valid_from);
call secure_tenant_table('schedule', 'select, insert, delete');

-- open: [{"opens": 0…1439, "closes": 1…1440}]; an empty list closes the day.
create table schedule_override (
  tenant_id uuid not null,
  id uuid not null,
  resource_id uuid not null,
  local_date date not null,
  open jsonb not null check (jsonb_typeof(open) = 'array'),
  updated_at timestamptz not null,
  primary key (tenant_id, id),
  constraint schedule_override_once unique (tenant_id, resource_id, local_date),
  constraint schedule_override_resource foreign key (tenant_id, resource_id) references resource (tenant_id, id)
);
call secure_tenant_table('schedule_override');

-- The time that a block takes lies in time_claim, one row for each lane and at most a day.
create table block (
  tenant_id uuid not null,
  id uuid not null,
  resource_id uuid not null,
  reason text not null check (reason in ('time_off', 'maintenance', 'meeting', 'other')),
  start_min int not null,
  end_min int not null,
  created_by text not null,
  created_at timestamptz not null,
  primary key (tenant_id, id),
  check (end_min > start_min),
  constraint block_resource foreign key (tenant_id, resource_id) references resource (tenant_id, id)
);
create index block_by_resource on block (tenant_id, resource_id, start_min, id);
call secure_tenant_table('block', 'select, insert, delete');
`;

/** Visits. What a person said about themselves lies in envelopes only. */
const appointments = `
create table appointment (
  tenant_id uuid not null,
  id uuid not null,
  location_id uuid not null,
  service_id uuid not null,
  status text not null check (status in ('held', 'expired', 'pending', 'declined', 'booked', 'arrived', 'checked_in',
    'in_progress', 'fulfilled', 'cancelled', 'noshow', 'entered_in_error')),
  start_min int not null,
  end_min int not null,
  duration_min int not null check (duration_min > 0),
  local_start timestamp(0) not null,
  tz text not null,
  tzdb_version text not null,
  client bytea not null,
  member_id uuid,
  patient_id uuid,
  version int not null default 1 check (version >= 1),
  created_by text not null,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  primary key (tenant_id, id),
  check (end_min - start_min = duration_min)
);
create index appointment_by_start on appointment (tenant_id, start_min, id);
create index appointment_by_location on appointment (tenant_id, location_id, start_min, id);
create index appointment_by_status on appointment (tenant_id, status, start_min, id);
call secure_tenant_table('appointment', 'select, insert, update');

-- Who and what a visit takes, or took before it was cancelled.
create table appointment_resource (
  tenant_id uuid not null,
  id uuid not null,
  appointment_id uuid not null,
  resource_id uuid not null,
  kind text not null,
  lane smallint not null check (lane >= 1),
  start_min int not null,
  end_min int not null check (end_min > start_min),
  primary key (tenant_id, id)
);
create index appointment_resource_by_appointment on appointment_resource (tenant_id, appointment_id);
create index appointment_resource_by_resource on appointment_resource (tenant_id, resource_id, start_min, appointment_id);
call secure_tenant_table('appointment_resource');

-- One row for each version of a visit; note: an envelope.
create table appointment_history (
  tenant_id uuid not null,
  id uuid not null,
  appointment_id uuid not null,
  version int not null check (version >= 1),
  event text not null check (event in ('booked', 'rescheduled', 'cancelled')),
  status text not null,
  start_min int not null,
  end_min int not null,
  local_start timestamp(0) not null,
  tz text not null,
  tzdb_version text not null,
  resources jsonb not null,
  reason text,
  note bytea,
  actor_kind text not null check (actor_kind in ('user', 'system', 'anonymous')),
  actor_id text,
  at timestamptz not null,
  primary key (tenant_id, id),
  constraint appointment_history_once unique (tenant_id, appointment_id, version)
);
call secure_tenant_table('appointment_history', 'select, insert');
call make_append_only('appointment_history');
`;

/**
 * Every minute that is taken, by whatever takes it. \`no_overlap\` is the promise that nothing is booked twice; reads go
 * through \`claim_read\`, because range operators are no index condition under row-level security.
 */
const claims = `
create table time_claim (
  tenant_id uuid not null,
  id uuid not null,
  resource_id uuid not null,
  lane smallint not null default 1 check (lane >= 1),
  start_min int not null,
  end_min int not null,
  kind smallint not null check (kind between 1 and 4),
  appointment_id uuid,
  hold_id uuid,
  block_id uuid,
  session_id uuid,
  expires_at timestamptz,
  primary key (tenant_id, id),
  check (end_min > start_min and end_min - start_min <= 1440),
  check ((kind = 2) = (expires_at is not null)),
  check (num_nonnulls(appointment_id, hold_id, block_id, session_id) = 1),
  constraint no_overlap exclude using gist
    (tenant_id with =, resource_id with =, lane with =, int4range(start_min, end_min) with &&)
);
comment on column time_claim.kind is '1 appointment, 2 hold, 3 block, 4 session';
create index claim_read on time_claim (tenant_id, resource_id, start_min) include (end_min, lane, kind, expires_at);
create index claim_by_app on time_claim (tenant_id, appointment_id) where appointment_id is not null;
create index claim_by_block on time_claim (tenant_id, block_id) where block_id is not null;
create index claim_expiry on time_claim (tenant_id, expires_at) where kind = 2;
call secure_tenant_table('time_claim');
`;
