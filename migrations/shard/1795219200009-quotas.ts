import type { MigrationInterface, QueryRunner } from 'typeorm';
import { dropQuotas, quotaProcedures, quotaTable } from '../quotas.js';

export class Quotas1795219200009 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(notes);
    await runner.query(quotaTable);
    await runner.query(counts);
    await runner.query(quotaProcedures);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(dropQuotas);
    await runner.query('drop function first_id_at(timestamptz); drop table clinical_note');
  }
}

/** What clinicians write about patients, in an envelope; amends: the note of the same patient that this one corrects. */
const notes = `
create table clinical_note (
  tenant_id uuid not null,
  id uuid not null,
  patient_id uuid not null,
  amends uuid,
  content bytea not null,
  written_by text not null,
  written_at timestamptz not null,
  primary key (tenant_id, id),
  constraint clinical_note_patient foreign key (tenant_id, patient_id) references patient (tenant_id, id),
  constraint clinical_note_amends foreign key (tenant_id, amends) references clinical_note (tenant_id, id),
  constraint clinical_note_not_itself check (amends <> id)
);
create index clinical_note_by_patient on clinical_note (tenant_id, patient_id, id);
create index clinical_note_by_amended on clinical_note (tenant_id, amends) where amends is not null;
call secure_tenant_table('clinical_note', 'select, insert');
call make_append_only('clinical_note');
`;

/**
 * What there is of each resource, in the snapshot of whoever asks. Orders are those of a period, found by the time inside
 * their ids: one range of the primary key.
 */
const counts = `
-- The smallest UUIDv7 of an instant.
create function first_id_at(at timestamptz) returns uuid language sql stable as $$
  select (lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid
$$;

create function quota_count(counted text, since timestamptz) returns bigint
language plpgsql stable as $$
declare
  tenant uuid := nullif(current_setting('app.tenant_id', true), '')::uuid;
begin
  case counted
    when 'patients' then
      return (select count(*) from patient p where p.tenant_id = tenant);
    when 'members' then
      return (select count(*) from member m where m.tenant_id = tenant and m.status <> 'resigned');
    when 'orders' then
      return (select count(*) from appointment a
               where a.tenant_id = tenant and a.id >= first_id_at(since) and a.status <> 'cancelled')
           + (select count(*) from recon_record r
               where r.tenant_id = tenant and r.id >= first_id_at(since) and r.source_id in
                 (select s.id from recon_source s where s.tenant_id = tenant and s.kind = 'pos'));
    when 'products' then
      return (select count(*) from service s where s.tenant_id = tenant and s.active);
    when 'locations' then
      return (select count(*) from location l where l.tenant_id = tenant and l.active);
    when 'exams' then
      return (select count(*) from clinical_note n where n.tenant_id = tenant and n.amends is null);
    when 'storageBytes' then
      return (select coalesce(sum(f.bytes), 0) from recon_statement f where f.tenant_id = tenant and f.status = 'received');
  end case;
end $$;
`;
