import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { OperationsWorld, within } from './operations-world.js';

let world: OperationsWorld;
beforeAll(async () => {
  world = await OperationsWorld.start();
}, 120_000);
afterAll(() => world?.stop(), 60_000);

describe('What stops', () => {
  const parts = async () => {
    const { json } = await world.ask('/api/health');
    return [json.process.status, json.database.status, json.cache.status];
  };
  /** Stops the event loop, and with it everything else. */
  const block = (ms: number): void => {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
  };

  /** Names of the servers whose breaker is open. */
  const open = async (): Promise<readonly string[]> => {
    const { json } = await world.ask('/api/health/database');
    const servers = json.servers as readonly { name: string; role: string; breaker: string }[];
    return servers.filter(({ breaker }) => breaker !== 'closed').map(({ name, role }) => `${name} ${role}`);
  };

  it('[B-075] [C-046] [D-056] [E-059] is named within five seconds, and nothing else: event loop, replica, a shard, Redis', async () => {
    expect(await within(10, async () => String(await parts()) === 'up,up,up')).toBe(true);

    block(1_200);
    expect(await parts()).toEqual(['degraded', 'up', 'up']);
    expect(await within(10, async () => String(await parts()) === 'up,up,up')).toBe(true);

    expect(await open()).toEqual([]);
    await world.cluster.replica?.stop();
    expect(await within(5, async () => (await world.databaseOf('shard-1', 'replica-1')).status === 'down')).toBe(true);
    expect((await world.databaseOf('shard-1', 'primary')).status).toBe('up');
    // Ten looks in a row; it is out of rotation long before.
    expect(await within(20, async () => (await open()).length > 0)).toBe(true);
    expect(await open()).toEqual(['shard-1 replica-1']);
    expect(await parts()).toEqual(['up', 'degraded', 'up']);

    await world.cluster.servers[1]?.stop();
    expect(await within(5, async () => (await world.databaseOf('shard-2', 'primary')).status === 'down')).toBe(true);
    expect((await world.databaseOf('shard-1', 'primary')).status).toBe('up');
    expect((await world.databaseOf('directory', 'primary')).status).toBe('up');
    expect(await parts()).toEqual(['up', 'degraded', 'up']);

    await world.cluster.redis?.stop();
    expect(await within(5, async () => (await world.redisOf('cache')).status === 'down')).toBe(true);
    expect(await parts()).toEqual(['up', 'degraded', 'degraded']);
  }, 60_000);

  it('[B-056] [B-073] is seen by whoever sends requests: 503 without the only shard or the directory, 200 when they are back', async () => {
    await world.restartServers();
    const { SHARD_2_URL = '', SHARD_1_REPLICAS: _, ...rest } = world.env;
    const small = { ...rest, SHARD_1_URL: SHARD_2_URL, SHARD_2_URL: '', SHARD_1_REPLICAS: '' };
    const oneShard = await world.startApi(small);
    const probe = (on: NestFastifyApplication) => world.call({ method: 'GET', path: '/api/v1/health' }, on);
    const answers = (status: number, on: NestFastifyApplication) => async () => (await probe(on)).status === status;
    expect(await within(10, answers(200, world.app))).toBe(true);
    expect(await within(10, answers(200, oneShard))).toBe(true);
    expect(Object.keys((await probe(oneShard)).json.details)).toEqual(
      expect.arrayContaining(['directory', 'shard-1', 'redis-limits']),
    );

    await world.cluster.servers[1]?.stop();
    expect(await within(5, answers(503, oneShard))).toBe(true);
    const { details } = (await probe(oneShard)).json;
    expect([details['shard-1'].status, details.directory.status]).toEqual(['down', 'up']);
    expect((await probe(world.app)).status).toBe(200);

    await world.cluster.servers[0]?.stop();
    expect(await within(5, answers(503, world.app))).toBe(true);
    expect((await probe(world.app)).json.details.directory.status).toBe('down');

    await world.restartServers();
    expect(await within(10, answers(200, world.app))).toBe(true);
    expect(await within(10, answers(200, oneShard))).toBe(true);
  }, 120_000);
});
