import type { MigrationInterface, QueryRunner } from 'typeorm';

export class Moves1795219200003 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(moves);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`drop table tenant_move; alter table tenant drop column moving_to`);
  }
}

/**
 * Moves of tenants between shards, each with the step that it goes on from, whoever began it. `moving_to` tells routers
 * where else a tenant may be served from now on: its shard decides, at the next epoch.
 */
const moves = `
alter table tenant add column moving_to text references shard (id) check (moving_to <> shard_id);

-- epoch: at which the target serves. rows and bytes: what the source held when copying began. pause_ms: how long writers
-- stood still for the hand-over. The source keeps its rows until keep_until; then they are removed, and cleaned_at is set.
create table tenant_move (
  id uuid primary key,
  tenant_id uuid not null references tenant (id),
  source text not null references shard (id),
  target text not null references shard (id),
  epoch int not null check (epoch >= 2),
  schema_version bigint not null,
  step text not null check (step in ('preparing', 'copying', 'proving', 'switching', 'finishing', 'done', 'aborted')),
  rows bigint,
  bytes bigint,
  rows_copied bigint not null default 0,
  lag_bytes bigint,
  pause_ms real,
  proof jsonb,
  error text,
  started_at timestamptz not null,
  heartbeat_at timestamptz not null,
  ended_at timestamptz,
  keep_until timestamptz,
  cleaned_at timestamptz,
  check (source <> target),
  constraint tenant_move_end check ((step in ('done', 'aborted')) = (ended_at is not null)),
  constraint tenant_move_kept check ((step = 'done') = (keep_until is not null))
);
-- One move of a tenant at a time, and one between two shards in one direction.
create unique index tenant_move_under_way on tenant_move (tenant_id) where ended_at is null;
create unique index tenant_move_one_way on tenant_move (source, target) where ended_at is null;
create index tenant_move_left on tenant_move (keep_until) where cleaned_at is null;
`;
