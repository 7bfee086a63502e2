import type { MigrationInterface, QueryRunner } from 'typeorm';

export class Limits1795219200004 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(networks);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table tenant_network');
  }
}

/** Where a tenant's people work: there they do not count against the limits of the address that they share. */
const networks = `
create table tenant_network (
  tenant_id uuid not null,
  id uuid not null,
  network cidr not null check (masklen(network) >= case family(network) when 4 then 24 else 48 end),
  created_at timestamptz not null,
  primary key (tenant_id, id),
  unique (tenant_id, network)
);
call secure_tenant_table('tenant_network', 'select, insert, delete');
`;
