import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { postgresBinaries, projectRoot, stackHome } from '#infra/testing';

const path = (file: string): string => join(projectRoot(), 'deploy', file);
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'deploy-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** What PostgreSQL itself understands a profile to say, in its own units. */
function setting(profile: 'small' | 'large', name: string): string {
  const args = ['-C', name, '-D', folder, '-c', `config_file=${path(`postgres/${profile}.conf`)}`];
  const { postgres } = postgresBinaries(stackHome());
  return execFileSync(postgres, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
}

/** Lines of a redis.conf by their first word; the last one wins, as in Redis. */
const redisSettings = (file: string): ReadonlyMap<string, string> =>
  new Map(
    readFileSync(path(`redis/${file}`), 'utf8')
      .split('\n')
      .filter((line) => /^[a-z]/.test(line))
      .map((line) => [line.slice(0, line.indexOf(' ')), line.slice(line.indexOf(' ') + 1)]),
  );

const pages = (mebibytes: number): string => String((mebibytes * 1_024) / 8);
const kibibytes = (mebibytes: number): string => String(mebibytes * 1_024);

describe('PostgreSQL’s profiles', () => {
  it.each([
    ['C-054', 'small', 'shared_buffers', pages(256)],
    ['C-055', 'small', 'effective_cache_size', pages(1_024)],
    ['C-056', 'small', 'work_mem', kibibytes(4)],
    ['C-057', 'small', 'maintenance_work_mem', kibibytes(64)],
    ['D-028', 'large', 'max_connections', '1000'],
    ['D-029', 'large', 'shared_buffers', pages(2_048)],
    ['B-013', 'large', 'shared_buffers', pages(2_048)],
    ['D-030', 'large', 'effective_cache_size', pages(6_144)],
    ['D-031', 'large', 'work_mem', kibibytes(16)],
    ['D-032', 'large', 'maintenance_work_mem', kibibytes(512)],
  ] as const)('[%s] the %s one sets %s', (_, profile, name, value) => {
    expect(setting(profile, name)).toBe(value);
  });

  it.each(['small', 'large'] as const)(
    'let tenants move, keep parameters out of the log and compile nothing: %s',
    (profile) => {
      expect(setting(profile, 'wal_level')).toBe('logical');
      expect(setting(profile, 'log_parameter_max_length')).toBe('0');
      expect(setting(profile, 'log_parameter_max_length_on_error')).toBe('0');
      expect(setting(profile, 'password_encryption')).toBe('scram-sha-256');
      expect(setting(profile, 'jit')).toBe('off');
    },
  );

  it('warn where the large one is dangerous', () => {
    expect(readFileSync(path('postgres/large.conf'), 'utf8')).toMatch(/1,000 connections .* 16 GB/);
  });
});

describe('Redis’s profiles', () => {
  it('[C-059] give the cache 256 MB', () => {
    expect(redisSettings('cache.conf').get('maxmemory')).toBe('256mb');
    expect(redisSettings('cache.conf').get('maxmemory-policy')).toBe('allkeys-lru');
  });

  it('[C-061] save the durable roles, and append every second', () => {
    const durable = redisSettings('durable.conf');
    expect(durable.get('save')).toBe('900 1 300 10 60 10000');
    expect([durable.get('appendonly'), durable.get('appendfsync')]).toEqual(['yes', 'everysec']);
    expect(durable.get('maxmemory-policy')).toBe('noeviction');
  });
});
