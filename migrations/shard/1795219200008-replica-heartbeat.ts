import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * One row that changes once a second: what a replica has of it says how old the past is that it stands at, to a process
 * that has just begun as well. No tenant's, and in no publication. `lag_multiplier` is the operators': by how much a
 * replica of this shard may lag more than usual before its reads go to the primary.
 */
const heartbeat = `
create table replica_heartbeat (
  id smallint primary key check (id = 1),
  beat_at timestamptz not null,
  lag_multiplier int not null default 1 check (lag_multiplier between 1 and 1000)
) with (autovacuum_vacuum_threshold = 200, autovacuum_vacuum_scale_factor = 0, fillfactor = 20);
insert into replica_heartbeat (id, beat_at) values (1, 'epoch');
grant select on replica_heartbeat to praxis_app, praxis_ro;
grant update (beat_at) on replica_heartbeat to praxis_app;
`;

export class ReplicaHeartbeat1795219200008 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(heartbeat);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table replica_heartbeat');
  }
}
