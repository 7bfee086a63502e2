import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { databaseConfig } from '#infra/replicas';
import { shardingConfig } from '#infra/sharding';
import { projectRoot } from '#infra/testing';
import { activeServices, type Environment, operatorsEnvironment, servicesOf } from './deploy/compose.js';
import { makeSecretsFolder } from './deploy/secrets-folder.js';
import { settingsOf } from './deploy/service-settings.js';

const slices = { sharding: shardingConfig, database: databaseConfig };
const guide = readFileSync(join(projectRoot(), 'docs/deployment.md'), 'utf8');
const ini = readFileSync(join(projectRoot(), 'deploy/pgbouncer/pgbouncer.ini'), 'utf8');
/** What docs/deployment.md tells an operator to write. */
const [, asWritten = ''] = /```\n(COMPOSE_PROFILES=tps100k,pgbouncer\n[^`]*)```/.exec(guide) ?? [];
const withPgbouncer: Environment = {
  ...operatorsEnvironment('tps100k'),
  ...Object.fromEntries(
    asWritten
      .trim()
      .split('\n')
      .map((line) => line.split('=') as [string, string]),
  ),
};
let secrets: string;
beforeAll(() => {
  secrets = makeSecretsFolder();
});
afterAll(() => rmSync(secrets, { recursive: true }));

/** Host with port, and the database's name, of the directory and of every shard. */
const addressesOf = (service: string): readonly string[] => {
  const { sharding } = settingsOf(slices, service, withPgbouncer, secrets);
  return [sharding.directoryUrl, ...sharding.shardUrls].flatMap((url) => {
    if (url === undefined) return [];
    const { host, pathname } = new URL(url.reveal());
    return [`${host}${pathname}`];
  });
};
const names = ['praxis_directory', 'praxis_shard_1', 'praxis_shard_2', 'praxis_shard_3'];

describe('PgBouncer, as the guide says to use it', () => {
  it('runs beside everything else, and only where it is asked for', () => {
    expect(Object.keys(activeServices(withPgbouncer))).toContain('pgbouncer');
    expect(Object.keys(servicesOf('tps100k'))).not.toContain('pgbouncer');
  });

  it('is what the apps connect to; migrations and operators go past it', () => {
    for (const app of ['api', 'websocket-gateway', 'worker']) {
      expect(addressesOf(app)).toEqual(names.map((name) => `pgbouncer:6432/${name}`));
      expect(settingsOf(slices, app, withPgbouncer, secrets).database).toMatchObject({ pgbouncer: true });
    }
    for (const operator of ['migrate', 'praxis'])
      expect(addressesOf(operator).map((address) => address.split('/')[0])).toEqual(
        ['shard-1', 'shard-1', 'shard-2', 'shard-3'].map((shard) => `${shard}-primary:5432`),
      );
  });

  it('knows each database where the operators find it, and each role with its password', () => {
    const lines = [...ini.matchAll(/^(\w+) = host=(\S+) port=(\d+) /gm)].map(
      ([, name, host, port]) => `${host}:${port}/${name}`,
    );
    expect(lines).toEqual(addressesOf('praxis'));
    expect(/^listen_port = (\d+)$/m.exec(ini)?.[1]).toBe('6432');
    expect(/^auth_file = (\S+)$/m.exec(ini)?.[1]).toBe('/run/secrets/pgbouncer_users');
    const users = readFileSync(join(secrets, 'pgbouncer_users'), 'utf8').trim().split('\n');
    const { sharding } = settingsOf(slices, 'api', withPgbouncer, secrets);
    expect(users).toEqual([
      `"praxis_app" "${new URL(sharding.directoryUrl.reveal()).password}"`,
      `"praxis_relay" "${sharding.relayPassword.reveal()}"`,
    ]);
  });

  it('gives transactions, not sessions, keeps the names of statements, and asks for encryption', () => {
    for (const line of ['pool_mode = transaction', 'max_prepared_statements = 200', 'server_tls_sslmode = prefer'])
      expect(ini.split('\n')).toContain(line);
    const image = /^edoburu\/pgbouncer:v(\d+)\.(\d+)\./.exec(activeServices(withPgbouncer).pgbouncer?.image ?? '');
    expect(Number(image?.[1]) * 100 + Number(image?.[2])).toBeGreaterThanOrEqual(121);
  });
});
