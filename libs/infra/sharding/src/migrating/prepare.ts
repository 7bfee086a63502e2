import type pg from 'pg';
import { asAdmin, nameThere } from './admin.js';
import type { MigratedDatabase, MigratorOptions, RolePasswords } from './options.js';

/**
 * The four roles, their passwords, the database and who may connect. Needs a superuser, or from PostgreSQL 16 on a role
 * with CREATEROLE, CREATEDB and BYPASSRLS.
 */
export async function prepare(database: MigratedDatabase, options: MigratorOptions): Promise<void> {
  const name = nameThere(database);
  await asAdmin(database, options, 'postgres', async (client) => {
    for (const statement of roleStatements(client, options.passwords)) await client.query(statement);
    const { rowCount } = await client.query('select from pg_database where datname = $1', [name]);
    if (rowCount === 0) await client.query(`create database ${client.escapeIdentifier(name)} owner praxis_owner`);
  });
  await asAdmin(database, options, name, async (client) => {
    await client.query(`
      revoke all on database ${client.escapeIdentifier(name)} from public;
      revoke all on schema public from public;
      alter schema public owner to praxis_owner;
      grant create on database ${client.escapeIdentifier(name)} to praxis_owner;
      grant connect on database ${client.escapeIdentifier(name)} to praxis_app, praxis_ro, praxis_relay;
      grant usage on schema public to praxis_app, praxis_ro, praxis_relay;`);
  });
}

function roleStatements(client: pg.Client, passwords: RolePasswords): string[] {
  const login = (role: string, password: string): string[] => [
    ensure(role, 'login nosuperuser nobypassrls nocreatedb nocreaterole'),
    `alter role ${role} password ${client.escapeLiteral(password)}`,
  ];
  return [
    `set password_encryption = 'scram-sha-256'`,
    ensure('praxis_owner', 'nologin bypassrls'),
    'grant praxis_owner to current_user',
    ...login('praxis_app', passwords.app),
    ...login('praxis_ro', passwords.readOnly),
    ...login('praxis_relay', passwords.relay),
  ];
}

const ensure = (role: string, attributes: string): string =>
  `do $$ begin create role ${role} ${attributes}; exception when duplicate_object or unique_violation then null; end $$`;
