import type { MigrationInterface, QueryRunner } from 'typeorm';

export class Identity1795219200002 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(people);
    await runner.query(sessions);
    await runner.query(mailed);
    await runner.query(security);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(
      `drop table login_attempt, password_reset, invitation, user_session, role_assignment, user_email, user_account`,
    );
  }
}

const people = `
-- Names and addresses only as an envelope: profile = {email, displayName}.
create table user_account (
  tenant_id uuid not null,
  id uuid not null,
  status text not null check (status in ('invited', 'active', 'disabled')),
  profile bytea not null,
  password_hash text,
  permission_version int not null default 1 check (permission_version >= 1),
  version int not null default 1 check (version >= 1),
  created_at timestamptz not null,
  updated_at timestamptz not null,
  last_login_at timestamptz,
  primary key (tenant_id, id),
  constraint user_account_active_has_password check (status <> 'active' or password_hash is not null)
);

-- Blind indexes of the address, one for each version of the index key, so that the address stays unique while keys rotate.
create table user_email (
  tenant_id uuid not null,
  id uuid not null,
  user_id uuid not null,
  token bytea not null check (length(token) = 32),
  primary key (tenant_id, id),
  constraint user_email_unique unique (tenant_id, token),
  foreign key (tenant_id, user_id) references user_account (tenant_id, id) on delete cascade
);
create index user_email_user on user_email (tenant_id, user_id);

create table role_assignment (
  tenant_id uuid not null,
  id uuid not null,
  user_id uuid not null,
  role text not null check (role in ('owner', 'admin', 'provider', 'nurse', 'front_desk', 'billing', 'member_services',
    'privacy_officer', 'auditor', 'integration', 'patient', 'support')),
  granted_at timestamptz not null,
  granted_by uuid,
  -- A role for a limited time, as support gets it, is worth nothing from here on.
  expires_at timestamptz,
  primary key (tenant_id, id),
  constraint role_assignment_once unique (tenant_id, user_id, role),
  foreign key (tenant_id, user_id) references user_account (tenant_id, id) on delete cascade
);
create index role_assignment_role on role_assignment (tenant_id, role);
`;

const sessions = `
-- refresh_issued: SHA-256 of the newest refresh token; refresh_used: of the one before, good until the newest is used.
create table user_session (
  tenant_id uuid not null,
  id uuid not null,
  user_id uuid not null,
  refresh_issued bytea not null check (length(refresh_issued) = 32),
  refresh_used bytea check (length(refresh_used) = 32),
  created_at timestamptz not null,
  last_seen_at timestamptz not null,
  expires_at timestamptz not null,
  idle_ms int not null check (idle_ms > 0),
  revoked_at timestamptz,
  ended_by text check (ended_by in ('logout', 'revoked', 'displaced', 'token_reuse', 'user_disabled', 'password_reset')),
  primary key (tenant_id, id),
  foreign key (tenant_id, user_id) references user_account (tenant_id, id) on delete cascade,
  constraint user_session_end check ((revoked_at is null) = (ended_by is null))
) with (fillfactor = 80);
create index user_session_open on user_session (tenant_id, user_id, created_at) where revoked_at is null;
create index user_session_user on user_session (tenant_id, user_id);

-- Attempts to log in, kept for an address whether or not somebody has it.
create table login_attempt (
  tenant_id uuid not null,
  id uuid not null,
  email_token bytea not null check (length(email_token) = 32),
  attempts int not null,
  last_at timestamptz not null,
  locked_until timestamptz,
  primary key (tenant_id, id),
  constraint login_attempt_address unique (tenant_id, email_token)
) with (fillfactor = 70);
create index login_attempt_age on login_attempt (tenant_id, last_at);
`;

const mailed = `
-- The token of an invitation or a reset is derived from tenant and id: nothing here gives it away.
create table invitation (
  tenant_id uuid not null,
  id uuid not null,
  user_id uuid not null,
  invited_by uuid,
  created_at timestamptz not null,
  expires_at timestamptz not null,
  accepted_at timestamptz,
  revoked_at timestamptz,
  primary key (tenant_id, id),
  foreign key (tenant_id, user_id) references user_account (tenant_id, id) on delete cascade
);
create index invitation_user on invitation (tenant_id, user_id);

-- user_id is null where nobody, or nobody any more, may have a mail: the request looks the same from outside.
create table password_reset (
  tenant_id uuid not null,
  id uuid not null,
  user_id uuid,
  created_at timestamptz not null,
  expires_at timestamptz not null,
  used_at timestamptz,
  primary key (tenant_id, id),
  foreign key (tenant_id, user_id) references user_account (tenant_id, id) on delete cascade
);
create index password_reset_user on password_reset (tenant_id, user_id, created_at);
create index password_reset_age on password_reset (tenant_id, created_at);
`;

const security = `
call secure_tenant_table('user_account', 'select, insert, update');
call secure_tenant_table('user_email', 'select, insert, delete');
call secure_tenant_table('role_assignment');
call secure_tenant_table('user_session', 'select, insert, update');
call secure_tenant_table('login_attempt');
call secure_tenant_table('invitation', 'select, insert, update');
call secure_tenant_table('password_reset', 'select, insert, update');
call open_to_relay('user_session', 'select, delete');
call open_to_relay('login_attempt', 'select, delete');
call open_to_relay('invitation', 'select, delete');
call open_to_relay('password_reset', 'select, delete');
`;
