import pg from 'pg';
import type { QueryRunner } from 'typeorm';
import { Secret } from '#infra/config';
import { systemClock } from '#infra/kernel';
import { LocalCluster, type PostgresServer } from '#infra/testing';
import { directoryMigrations, shardMigrations } from '#migrations';
import { directoryName } from './databases.js';
import { type MigratorOptions, migrate } from './migrator.js';

/** A server of this file's own: roles belong to the whole server, and here a hosted one's limited admin makes them. */
let cluster: LocalCluster;
let server: PostgresServer;
const admin = { user: 'hosted_admin', password: new Secret('hosted-admin-pässwörd') };
const passwords = { app: `app'\\"for tests`, readOnly: 'ro', relay: 'relay' };

beforeAll(async () => {
  cluster = await LocalCluster.startTemporary({ servers: 1, replica: false, redis: false, durable: false });
  [server] = cluster.servers as [PostgresServer];
  await server.asSuperuser(async (client) => {
    await client.query(
      `create role ${admin.user} login createrole createdb bypassrls password '${admin.password.reveal()}'`,
    );
    await client.query(`create database made_before owner ${admin.user}`);
  });
}, 60_000);
afterAll(() => cluster?.stop());

const urlOf = (name: string, user = 'praxis_app', password = passwords.app) =>
  `postgres://${user}:${encodeURIComponent(password)}@${server.host}:${server.port}/${name}`;

const plan = (changed: Partial<MigratorOptions> = {}): MigratorOptions => ({
  admin,
  directory: { name: directoryName, url: new Secret(urlOf('directory')) },
  shards: [
    { name: 'shard-1', url: new Secret(urlOf('made_before')) },
    { name: 'shard-2', url: new Secret(urlOf('shard_2')) },
  ],
  migrations: { directory: directoryMigrations, shard: shardMigrations },
  passwords,
  clock: systemClock,
  report: () => undefined,
  ...changed,
});

async function query<Row>(url: string, sql: string): Promise<Row[]> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    return (await client.query(sql)).rows as Row[];
  } finally {
    await client.end();
  }
}
const versions = () =>
  query<{ database: string; migration: string; state: string; attempts: number; error: string | null }>(
    urlOf('directory'),
    'select database, migration, state, attempts, error from schema_version order by 1, 2',
  );

class First2000000000001 {
  up = (runner: QueryRunner) => runner.query('create table first_thing (a int)');
  down = async () => undefined;
}
let broken = true;
class Second2000000000002 {
  up = (runner: QueryRunner) => runner.query(broken ? 'create table first_thing (a int)' : 'select 1');
  down = async () => undefined;
}
class Third2000000000003 {
  up = (runner: QueryRunner) => runner.query('select 1');
  down = async () => undefined;
}

describe('migrating', () => {
  it('works for an admin who is no superuser, twice at once, also into a database that somebody made before', async () => {
    const lines: string[] = [];
    await Promise.all([1, 2].map(() => migrate(plan({ report: (line) => lines.push(line) }))));
    expect(lines.filter((line) => line.endsWith('up to date'))).toHaveLength(3);
    expect(lines.filter((line) => line.includes(': ran Foundation'))).toHaveLength(3);
    expect(await query(urlOf('directory'), 'select id from shard order by id')).toEqual([
      { id: 'shard-1' },
      { id: 'shard-2' },
    ]);
    const [row] = await query<{ user: string }>(urlOf('shard_2'), 'select current_user as user');
    expect(row?.user).toBe('praxis_app');
    expect(new Set((await versions()).map(({ state, attempts }) => `${state} ${attempts}`))).toEqual(
      new Set(['done 1']),
    );
  });

  it('stops at the first failure, keeps what ran and what failed, and goes on from there', async () => {
    const shard = [...shardMigrations, First2000000000001, Second2000000000002, Third2000000000003];
    const changed = plan({ migrations: { directory: directoryMigrations, shard } });
    await expect(migrate(changed)).rejects.toThrow('already exists');
    const added = async () =>
      (await versions())
        .filter(({ migration }) => /20000000000/.test(migration))
        .map((v) => [v.database, v.migration, v.state, v.attempts]);
    expect(await added()).toEqual([
      ['shard-1', 'First2000000000001', 'done', 1],
      ['shard-1', 'Second2000000000002', 'failed', 1],
    ]);
    broken = false;
    await migrate(changed);
    expect(await added()).toEqual([
      ['shard-1', 'First2000000000001', 'done', 1],
      ['shard-1', 'Second2000000000002', 'done', 2],
      ['shard-1', 'Third2000000000003', 'done', 1],
      ['shard-2', 'First2000000000001', 'done', 1],
      ['shard-2', 'Second2000000000002', 'done', 1],
      ['shard-2', 'Third2000000000003', 'done', 1],
    ]);
    expect((await versions()).filter(({ error }) => error !== null)).toEqual([]);
  });

  it('leaves the database to its four roles alone, and no password in readable form', async () => {
    const roles = await server.asSuperuser(async (client) => {
      await client.query(`create role stranger login password 'stranger'`);
      return (await client.query(`select rolname, rolpassword from pg_authid where rolname like 'praxis%' order by 1`))
        .rows;
    });
    expect(roles.map(({ rolname, rolpassword }) => [rolname, String(rolpassword).slice(0, 13)])).toEqual([
      ['praxis_app', 'SCRAM-SHA-256'],
      ['praxis_owner', 'null'],
      ['praxis_relay', 'SCRAM-SHA-256'],
      ['praxis_ro', 'SCRAM-SHA-256'],
    ]);
    const stranger = query(urlOf('shard_2', 'stranger', 'stranger'), 'select 1');
    await expect(stranger).rejects.toMatchObject({ code: '42501' });
  });
});
