import type { MigrationInterface, QueryRunner } from 'typeorm';

export class Facts1795219200005 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(sequences);
    await runner.query(indexes);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      drop index outbox_fact_new, outbox_fact_unpublished, outbox_fact_published, outbox_fact_seq;
      drop table fact_sequence`);
  }
}

/** The place of a tenant's newest fact. Rows of facts are removed after a day; the count goes on. */
const sequences = `
create table fact_sequence (
  tenant_id uuid primary key,
  last_seq bigint not null check (last_seq >= 1)
);
call secure_tenant_table('fact_sequence', 'select');
call open_to_relay('fact_sequence', 'select, insert, update');
`;

/** What the relay numbers, what it publishes, what hygiene removes; and how a listener reads on from a place. */
const indexes = `
create index outbox_fact_new on outbox (next_at, id) where kind = 'fact' and seq is null;
create index outbox_fact_unpublished on outbox (tenant_id, seq) where kind = 'fact' and seq is not null and published_at is null;
create index outbox_fact_published on outbox (published_at) where kind = 'fact';
create unique index outbox_fact_seq on outbox (tenant_id, seq) where kind = 'fact' and seq is not null;
`;
