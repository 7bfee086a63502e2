import type { MigrationInterface, QueryRunner } from 'typeorm';
import { dropQuotas, quotaProcedures, quotaTable } from '../quotas.js';

export class Quotas1795219200006 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(limits);
    await runner.query(quotaTable);
    await runner.query(counts);
    await runner.query(quotaProcedures);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(dropQuotas);
    await runner.query('alter table tenant drop column limits_since, drop column quota_overrides');
  }
}

/** quota_overrides: {resource: limit or null for none}, before the plan's. limits_since: when plan or overrides changed. */
const limits = `
alter table tenant add column quota_overrides jsonb not null default '{}' check (jsonb_typeof(quota_overrides) = 'object');
alter table tenant add column limits_since timestamptz;
`;

/** Users who are disabled give their place back. */
const counts = `
create function quota_count(counted text, since timestamptz) returns bigint
language plpgsql stable as $$
declare
  tenant uuid := nullif(current_setting('app.tenant_id', true), '')::uuid;
begin
  case counted
    when 'users' then
      return (select count(*) from user_account u where u.tenant_id = tenant and u.status <> 'disabled');
  end case;
end $$;
`;
