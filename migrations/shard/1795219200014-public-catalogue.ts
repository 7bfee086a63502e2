import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Whether a tenant shows its services and locations to everybody; no row: it does not. */
const publicCatalogue = `
create table public_catalogue (
  tenant_id uuid not null,
  id uuid not null,
  open boolean not null,
  version int not null check (version > 1),
  updated_at timestamptz not null,
  primary key (tenant_id, id),
  constraint public_catalogue_one unique (tenant_id)
);
call secure_tenant_table('public_catalogue', 'select, insert, update');
`;

export class PublicCatalogue1795219200014 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(publicCatalogue);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table public_catalogue');
  }
}
