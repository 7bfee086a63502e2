import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigError, effectiveConfig, parseConfig } from '#infra/config';
import { systemClock } from '#infra/kernel';
import { databaseConfig } from '#infra/replicas';
import { createLog } from '#infra/telemetry';
import { Databases } from './databases.js';
import { shardingConfig } from './sharding.config.js';

const slices = { sharding: shardingConfig, database: databaseConfig };
const parts = {
  DATABASE_HOST: 'db.example',
  DATABASE_NAME: 'clinic',
  DATABASE_USERNAME: 'praxis_app',
  DATABASE_PASSWORD: 'quiet otter/9',
};
type Given = Readonly<Record<string, string>>;
const parse = (env: Given) => parseConfig(slices, { DB_RELAY_PASSWORD: 'x', ...env });
const urlsOf = (env: Given) => {
  const { directoryUrl, shardUrls } = parse(env).sharding;
  return { directory: directoryUrl.reveal(), shards: shardUrls.map((url) => url?.reveal()) };
};
const mistakesOf = (env: Given): readonly string[] => {
  try {
    parse(env);
  } catch (error) {
    if (error instanceof ConfigError) return error.mistakes;
    throw error;
  }
  return [];
};
const byUrl = 'postgres://praxis_app:secret@one.example:6432/clinic';

describe('where the databases are', () => {
  it('[A-063, A-064, A-065] is put together from host, name, user and password, but a DATABASE_URL wins', () => {
    expect(urlsOf(parts)).toEqual({
      directory: 'postgres://praxis_app:quiet%20otter%2F9@db.example:5432/clinic_directory',
      shards: ['postgres://praxis_app:quiet%20otter%2F9@db.example:5432/clinic'],
    });
    expect(urlsOf({ ...parts, DATABASE_PORT: '6432' }).shards).toEqual([expect.stringContaining('@db.example:6432/')]);
    expect(urlsOf({ ...parts, DATABASE_URL: byUrl }).shards).toEqual([byUrl]);
    for (const missing of ['DATABASE_HOST', 'DATABASE_NAME', 'DATABASE_PASSWORD'])
      expect(mistakesOf({ ...parts, [missing]: '' })).toEqual([expect.stringContaining('DIRECTORY_URL is required')]);
  });

  it('[C-064] is shard 1 and the directory beside it for a DATABASE_URL alone; with a list of shards it is the directory', () => {
    expect(urlsOf({ DATABASE_URL: byUrl })).toEqual({ directory: `${byUrl}_directory`, shards: [byUrl] });
    const listed = { SHARD_1_URL: 'postgres://a@h/1', SHARD_2_URL: 'postgres://a@h/2' };
    const shards = Object.values(listed);
    expect(urlsOf({ ...listed, DATABASE_URL: byUrl })).toEqual({ directory: byUrl, shards });
    const both = { ...listed, DATABASE_URL: byUrl, DIRECTORY_URL: 'postgres://a@h/d' };
    expect(urlsOf(both)).toEqual({ directory: 'postgres://a@h/d', shards });
    expect(urlsOf({ ...parts, ...both })).toEqual(urlsOf(both));
    expect(urlsOf({ DATABASE_URL: byUrl, DIRECTORY_URL: 'postgres://a@h/d' }).directory).toBe('postgres://a@h/d');
  });

  it('[A-066] takes the password from a file too, and never writes it down', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'sharding-config-'));
    try {
      writeFileSync(join(folder, 'password'), 'from-a-file-27\n');
      const { DATABASE_PASSWORD: _, ...rest } = parts;
      const env = { ...rest, DATABASE_HOST: '127.0.0.1', DATABASE_PORT: '1' };
      const fromFile = { ...env, DATABASE_PASSWORD_FILE: join(folder, 'password') };
      expect(urlsOf(fromFile).shards).toEqual(['postgres://praxis_app:from-a-file-27@127.0.0.1:1/clinic']);
      const lines: string[] = [];
      const to = { write: (line: string) => void lines.push(line) };
      const log = createLog({ level: 'debug', service: 'praxis' }, { app: 'api', version: '0', to });
      for (const [given, password] of [
        [fromFile, 'from-a-file-27'],
        [{ ...env, DATABASE_PASSWORD: 'plain-27' }, 'plain-27'],
      ] as const) {
        const config = parse(given);
        const databases = new Databases({
          ...config,
          applicationName: 'test',
          clock: systemClock,
          onIdleError: (database, error) => log.warn('database.connection_lost', { database, error }),
        });
        await databases
          .shard('shard-1')
          .primary.connect()
          .catch((error: unknown) => log.error('database.breaker', { database: 'shard-1', error }));
        await databases.end();
        log.info('config.in_force', { error: new ConfigError(mistakesOf({ ...given, DB_POOL_MAX: 'x' })) });
        const said = [...lines, ...effectiveConfig(slices, config), ...mistakesOf({ ...given, DB_POOL_MAX: 'x' })].join(
          '\n',
        );
        expect(said).toContain('DB_POOL_MAX');
        expect(said).not.toContain(password);
        expect(effectiveConfig(slices, config)).toEqual(
          expect.arrayContaining(['SHARD_1_URL=***', 'DATABASE_HOST=127.0.0.1']),
        );
      }
      expect(lines.length).toBeGreaterThan(3);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('[A-048] is read in one place: what is malformed, misspelt or unknown stops the start by name', () => {
    const right = { DATABASE_URL: byUrl };
    expect(mistakesOf(right)).toEqual([]);
    expect(mistakesOf({ ...right, DB_POOL_MAX: 'many' })).toEqual([expect.stringMatching(/^DB_POOL_MAX must be/)]);
    for (const [wrong, meant] of [
      ['DB_POOL_MXA', 'DB_POOL_MAX'],
      ['DB_POOLMAX', 'DB_POOL_MAX'],
      ['DB_POOL_MAXX', 'DB_POOL_MAX'],
      ['DATABASE_HOTS', 'DATABASE_HOST'],
      ['REPLICA_LAG_MULTIPLYER', 'REPLICA_LAG_MULTIPLIER'],
    ] as const)
      expect(mistakesOf({ ...right, [wrong]: '7' })).toEqual([`${wrong} is unknown: ${meant} is meant?`]);
    expect(mistakesOf({ ...right, DB_TURBO: 'true' })).toEqual(['DB_TURBO is unknown']);
    expect(mistakesOf({ ...right, SHARD_65_URL: byUrl })).toEqual(['SHARD_65_URL is unknown']);
  });

  it('is not disturbed by what others mean, nor by what an orchestrator tells of services', () => {
    const others = {
      HOME: '/',
      DB_ADMIN_PASSWORD: 'x',
      DB_SERVICE_HOST: '10.0.0.1',
      DB_PORT_5432_TCP: 'tcp://10.0.0.1:5432',
    };
    const ofShards = { SHARD_1_PRIMARY_SERVICE_PORT: '5432', SHARD_1_URL_FILE: '', DATABASE_READ_REPLICAS: '' };
    expect(mistakesOf({ DATABASE_URL: byUrl, ...others, ...ofShards })).toEqual([]);
  });
});
