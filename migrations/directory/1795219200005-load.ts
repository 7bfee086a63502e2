import type { MigrationInterface, QueryRunner } from 'typeorm';
import { addQueryCare } from '../query-care.js';

export class Load1795219200005 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(load);
    await addQueryCare(runner);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table shard_load');
  }
}

/**
 * What a shard carries, as last measured. commits: its counter of transactions, from which the rate is taken; tx_per_s: a
 * mean in which the newest minute counts half, null until there were two measurements.
 */
const load = `
create table shard_load (
  shard_id text primary key references shard (id),
  commits bigint not null check (commits >= 0),
  bytes bigint not null check (bytes >= 0),
  tx_per_s float8 check (tx_per_s >= 0),
  measured_at timestamptz not null
);
grant select on shard_load to praxis_app, praxis_ro;
grant select, insert, update on shard_load to praxis_relay;
`;
