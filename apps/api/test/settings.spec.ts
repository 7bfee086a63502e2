import { randomBytes } from 'node:crypto';
import { ConfigError, effectiveConfig, parseConfig } from '#infra/config';
import { systemClock } from '#infra/kernel';
import { Databases } from '#infra/sharding';
import { apiSlices } from '../src/settings.js';

const required = {
  DIRECTORY_URL: 'postgres://praxis_app:quiet-otter@127.0.0.1:1/directory',
  SHARD_1_URL: 'postgres://praxis_app:quiet-otter@127.0.0.1:1/shard_1',
  DB_RELAY_PASSWORD: 'quiet-otter',
  ROOT_KEY: randomBytes(32).toString('base64'),
  TOKEN_SIGNING_KEY: randomBytes(32).toString('base64'),
};
type Environment = Readonly<Record<string, string>>;

const settings = (environment: Environment) => parseConfig(apiSlices, { ...required, ...environment });
const shown = (environment: Environment) => effectiveConfig(apiSlices, settings(environment));
const mistakesOf = (environment: Environment): readonly string[] => {
  try {
    settings(environment);
  } catch (error) {
    if (error instanceof ConfigError) return error.mistakes;
    throw error;
  }
  return [];
};
/** The pools of shard 1 as the api builds them; nothing connects before it is asked to. */
const poolsOf = (environment: Environment) => {
  const { sharding, database } = settings(environment);
  const options = { sharding, database, applicationName: 'test', clock: systemClock, onIdleError: () => undefined };
  const set = new Databases(options).shard('shard-1');
  return { primary: set.primary.options, replicas: set.replicas.map((pool) => pool.options) };
};

describe('a setting of the environment', () => {
  it.each([
    ['B-018, B-040', 'DB_ACQUIRE_TIMEOUT', '30000', 'soon'],
    ['B-020, B-042', 'DB_IDLE_TIMEOUT', '300000', '5m'],
    ['B-039', 'DB_CONNECTION_LIMIT', '200', 'many'],
    ['B-041', 'DB_QUEUE_LIMIT', '500', '-1'],
    ['B-046', 'RATE_LIMIT_GENERAL', '1000', '0'],
    ['B-047', 'RATE_LIMIT_MEMBER_LOOKUP', '60', 'x'],
    ['B-048', 'RATE_LIMIT_CARD_GENERATION', '10', '1.5'],
    ['C-065', 'DB_POOL_SIZE', '20', '20 or so'],
    ['C-066', 'DB_MAX_OVERFLOW', '30', '-30'],
    ['E-075', 'DB_POOL_MAX', '20', '0'],
    ['E-076', 'DB_POOL_MIN', '5', '5.5'],
    ['E-077', 'DB_REPLICA_POOL_MAX', '30', 'all'],
    ['E-078', 'DB_REPLICA_POOL_MIN', '10', '1e9'],
  ])('[%s] %s=%s is in force, and a malformed one stops the start by name', (_, name, value, malformed) => {
    expect(shown({ [name]: value })).toContain(`${name}=${value}`);
    expect(mistakesOf({ [name]: malformed })).toEqual([expect.stringMatching(new RegExp(`^${name} must be`))]);
  });

  it('shows no secret, whether it stands alone or in a URL', () => {
    const lines = shown({ SHARD_1_REPLICAS: 'postgres://praxis_ro:quiet-otter@127.0.0.1:1/shard_1' });
    expect(lines).toEqual(
      expect.arrayContaining(['SHARD_1_URL=***', 'SHARD_1_REPLICAS=***', 'DB_RELAY_PASSWORD=***', 'ROOT_KEY=***']),
    );
    expect(lines.join('\n')).not.toContain('quiet-otter');
  });

  it('[B-017] a connection limit of 200 is accepted and bounds the pool', () => {
    expect(poolsOf({ DB_CONNECTION_LIMIT: '200' }).primary).toMatchObject({ min: 5, max: 200 });
  });

  it.each([
    ['D-018', { DB_POOL_MIN: '50', DB_POOL_MAX: '200' }, 'DB_POOL_MIN=50', { min: 50 }],
    ['D-019', { DB_POOL_MAX: '200' }, 'DB_POOL_MAX=200', { max: 200 }],
    ['D-020', { DB_ACQUIRE_TIMEOUT: '60000' }, 'DB_ACQUIRE_TIMEOUT=60000', { acquireTimeoutMs: 60_000 }],
    ['D-022', { DB_IDLE_TIMEOUT: '30000' }, 'DB_IDLE_TIMEOUT=30000', { idleTimeoutMs: 30_000 }],
  ] as const)('[%s] %j is shown, and the pool is built with it', (_, environment, line, options) => {
    expect(shown(environment)).toContain(line);
    expect(poolsOf(environment).primary).toMatchObject(options);
  });

  it('DB_POOL_MIN and DB_POOL_MAX win over size and overflow, and those over the plain limit', () => {
    const sized = { DB_POOL_SIZE: '20', DB_MAX_OVERFLOW: '30', DB_CONNECTION_LIMIT: '7' };
    expect(poolsOf(sized).primary).toMatchObject({ min: 20, max: 50 });
    expect(poolsOf({ ...sized, DB_POOL_MIN: '1', DB_POOL_MAX: '9' }).primary).toMatchObject({ min: 1, max: 9 });
    expect(poolsOf({ DB_CONNECTION_LIMIT: '3' }).primary).toMatchObject({ min: 3, max: 3 });
    expect(mistakesOf({ DB_POOL_MIN: '9', DB_POOL_MAX: '8' })).toEqual(['DB_POOL_MIN must not exceed DB_POOL_MAX']);
  });

  it('[E-067] with two replicas and nothing set, the pools hold 20 + 30 + 30', () => {
    const replica = 'postgres://praxis_ro:x@127.0.0.1:1/shard_1';
    const { primary, replicas } = poolsOf({ SHARD_1_REPLICAS: `${replica},${replica}` });
    expect([primary.max, ...replicas.map(({ max }) => max)]).toEqual([20, 30, 30]);
  });

  it('[E-079] replicas are none or several, for each shard of its own', () => {
    const replicas = (environment: Environment) => poolsOf(environment).replicas.length;
    const replica = 'postgres://praxis_ro:x@127.0.0.1:1/shard_1';
    expect(replicas({})).toBe(0);
    expect(replicas({ SHARD_1_REPLICAS: replica })).toBe(1);
    expect(replicas({ DATABASE_READ_REPLICAS: `${replica}, ${replica}` })).toBe(2);
    expect(replicas({ SHARD_2_REPLICAS: `${replica},${replica}` })).toBe(0);
  });
});
