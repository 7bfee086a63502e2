import type { MigrationInterface, QueryRunner } from 'typeorm';

export class Members1795219200004 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(members);
    await runner.query(memberships);
    await runner.query(cards);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table card_history, card, membership, member_id_token, member, member_counter');
  }
}

/** Who belongs. Names and id numbers stand in \`identity\`, an envelope; id numbers are found by their blind index alone. */
const members = `
-- The last membership number that a tenant has given; numbers of enrolments that were undone are given again.
create table member_counter (
  tenant_id uuid not null,
  id uuid not null,
  last_no bigint not null check (last_no between 1 and 99999999),
  primary key (tenant_id, id),
  constraint member_counter_once unique (tenant_id)
);
call secure_tenant_table('member_counter', 'select, insert, update');

-- member_no: eight digits of the counter and a check digit (Damm).
create table member (
  tenant_id uuid not null,
  id uuid not null,
  member_no text not null check (member_no ~ '^[0-9]{9}$'),
  status text not null check (status in ('active', 'suspended', 'resigned')),
  identity bytea not null,
  version int not null default 1 check (version >= 1),
  created_by text not null,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  primary key (tenant_id, id),
  constraint member_no_once unique (tenant_id, member_no)
);
create index member_by_status on member (tenant_id, status, id);
call secure_tenant_table('member', 'select, insert, update');

-- The blind index of a member's id number under each live version of the index key: no rotation lets a second one in.
create table member_id_token (
  tenant_id uuid not null,
  id uuid not null,
  member_id uuid not null,
  token bytea not null check (length(token) = 32),
  primary key (tenant_id, id),
  constraint member_id_token_once unique (tenant_id, token),
  constraint member_id_token_member foreign key (tenant_id, member_id) references member (tenant_id, id)
);
create index member_id_token_by_member on member_id_token (tenant_id, member_id);
call secure_tenant_table('member_id_token', 'select, insert, delete');
`;

/** Days of the calendar of \`tz\`, half-open; no two of one member share a day. Reads by member use the constraint's index too. */
const memberships = `
create table membership (
  tenant_id uuid not null,
  id uuid not null,
  member_id uuid not null,
  period daterange not null check (not isempty(period) and not lower_inf(period)),
  tz text not null check (length(tz) between 1 and 64),
  created_by text not null,
  created_at timestamptz not null,
  primary key (tenant_id, id),
  constraint membership_member foreign key (tenant_id, member_id) references member (tenant_id, id),
  constraint membership_no_overlap exclude using gist (tenant_id with =, member_id with =, period with &&)
);
call secure_tenant_table('membership', 'select, insert');
`;

const cards = `
create table card (
  tenant_id uuid not null,
  id uuid not null,
  member_id uuid not null,
  is_primary boolean not null,
  status text not null check (status in ('active', 'revoked')),
  reason text check (reason in ('lost', 'stolen', 'damaged', 'issued_in_error', 'membership_ended', 'other')),
  version int not null default 1 check (version between 1 and 65535),
  issued_at timestamptz not null,
  revoked_at timestamptz,
  primary key (tenant_id, id),
  check ((status = 'revoked') = (reason is not null) and (status = 'revoked') = (revoked_at is not null)),
  constraint card_member foreign key (tenant_id, member_id) references member (tenant_id, id)
);
create unique index card_one_primary on card (tenant_id, member_id) where is_primary and status = 'active';
create index card_by_member on card (tenant_id, member_id, id);
call secure_tenant_table('card', 'select, insert, update');

-- One row for each version of a card.
create table card_history (
  tenant_id uuid not null,
  id uuid not null,
  card_id uuid not null,
  version int not null check (version >= 1),
  event text not null check (event in ('issued', 'revoked')),
  reason text,
  actor_kind text not null check (actor_kind in ('user', 'system', 'anonymous')),
  actor_id text,
  at timestamptz not null,
  primary key (tenant_id, id),
  constraint card_history_once unique (tenant_id, card_id, version)
);
call secure_tenant_table('card_history', 'select, insert');
call make_append_only('card_history');
`;
