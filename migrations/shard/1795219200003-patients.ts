import type { MigrationInterface, QueryRunner } from 'typeorm';

export class Patients1795219200003 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(patients);
    await runner.query(versions);
    await runner.query(tokens);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table patient_token, patient_version, patient');
  }
}

/** demographics: one envelope with everything that says who it is. */
const patients = `
create table patient (
  tenant_id uuid not null,
  id uuid not null,
  demographics bytea not null,
  version int not null default 1 check (version >= 1),
  created_by text not null,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  primary key (tenant_id, id)
);
call secure_tenant_table('patient', 'select, insert, update');
`;

/** Every version whole, in an envelope of its own; changed: names of fields only. */
const versions = `
create table patient_version (
  tenant_id uuid not null,
  id uuid not null,
  patient_id uuid not null,
  version int not null check (version >= 1),
  event text not null check (event in ('created', 'updated', 'restored')),
  restored_from int check (restored_from between 1 and version - 1),
  demographics bytea not null,
  changed text[] not null,
  actor_kind text not null check (actor_kind in ('user', 'system', 'anonymous')),
  actor_id text,
  at timestamptz not null,
  primary key (tenant_id, id),
  check ((event = 'restored') = (restored_from is not null)),
  constraint patient_version_once unique (tenant_id, patient_id, version),
  constraint patient_version_patient foreign key (tenant_id, patient_id) references patient (tenant_id, id)
);
call secure_tenant_table('patient_version', 'select, insert');
call make_append_only('patient_version');
`;

/**
 * Blind indexes: HMACs of normalised texts, found by equality, the only operator that reaches an index under row-level
 * security for what is not ordered. patient_token_find answers by itself: the index holds all that a search reads.
 */
const tokens = `
create table patient_token (
  tenant_id uuid not null,
  id uuid not null,
  patient_id uuid not null,
  kind smallint not null check (kind between 1 and 10),
  token bytea not null check (octet_length(token) = 16),
  primary key (tenant_id, id),
  constraint patient_token_find unique (tenant_id, kind, token, patient_id)
);
comment on column patient_token.kind is '1 family, 2 given, 3 family prefix, 4 given prefix, 5 birth date, 6 phone, 7 email, 8 sounds of both names, 9 sound of family and birth year, 10 sound of given and birth year';
create index patient_token_by_patient on patient_token (tenant_id, patient_id);
call secure_tenant_table('patient_token', 'select, insert, delete');
`;
