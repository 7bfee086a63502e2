import type { MigrationInterface, QueryRunner } from 'typeorm';

export class Moves1795219200007 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(fence);
    await runner.query(marker);
    await runner.query(relay);
  }

  async down(): Promise<void> {
    throw new Error('moves are not taken back: a tenant may be under way');
  }
}

/**
 * `leaving`: a move is about to hand the tenant over, the primary serves it and replicas do not any more, so that none of
 * them can answer from before the hand-over. `fenced`: it is arriving. `moved`: it was handed over.
 */
const fence = `
alter table tenant_fence drop constraint tenant_fence_state_check;
alter table tenant_fence add constraint tenant_fence_state_check check (state in ('open', 'leaving', 'fenced', 'moved'));
create index tenant_fence_elsewhere on tenant_fence (tenant_id) where state in ('fenced', 'moved');

create or replace function enter_tenant(entered uuid, expected_epoch int) returns void
language plpgsql as $$
declare
  fence record;
begin
  perform set_config('app.tenant_id', entered::text, true);
  perform pg_advisory_xact_lock_shared(hashtextextended(entered::text, 0));
  select f.epoch, f.state into fence from tenant_fence f where f.tenant_id = entered;
  if not found or fence.epoch <> expected_epoch
    or not (fence.state = 'open' or (fence.state = 'leaving' and not pg_is_in_recovery())) then
    raise exception 'this shard does not serve the tenant at that epoch' using errcode = 'TS001';
  end if;
end $$;
`;

/**
 * Rows that a move writes on the source to learn what has arrived on the target. One with an epoch hands the tenant over:
 * it is committed together with the end of the source's fence, comes after all the tenant's rows, and opens the target's
 * fence in the transaction that brings it. The trigger fires only there, where replication applies rows.
 */
const marker = `
create table move_marker (
  tenant_id uuid not null,
  id uuid not null,
  epoch int check (epoch >= 2),
  primary key (tenant_id, id)
);
call secure_tenant_table('move_marker', 'select');

create function open_handed_over() returns trigger language plpgsql as $$
begin
  update public.tenant_fence f set state = 'open'
   where f.tenant_id = new.tenant_id and f.epoch = new.epoch and f.state = 'fenced';
  return null;
end $$;
create trigger open_handed_over after insert on move_marker for each row when (new.epoch is not null)
  execute function open_handed_over();
alter table move_marker enable replica trigger open_handed_over;
`;

/** System workers do not see what is arriving here or was handed over: another shard's do, so nothing is done twice. */
const relay = `
create or replace procedure open_to_relay(opened regclass, relay_privileges text)
language plpgsql as $$
begin
  execute format(
    'create policy relay on %s to praxis_relay
       using (tenant_id not in (select f.tenant_id from tenant_fence f where f.state in (''fenced'', ''moved'')))', opened);
  execute format('grant %s on %s to praxis_relay', relay_privileges, opened);
end $$;

do $$
declare
  opened regclass;
begin
  for opened in select p.polrelid from pg_policy p where p.polname = 'relay' and p.polrelid <> 'tenant_fence'::regclass loop
    execute format('drop policy relay on %s', opened);
    execute format(
      'create policy relay on %s to praxis_relay
         using (tenant_id not in (select f.tenant_id from tenant_fence f where f.state in (''fenced'', ''moved'')))', opened);
  end loop;
end $$;
`;
