import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { Readiness } from '#infra/health';
import { Sharding } from '#infra/sharding';
import { PostgresServer, stackHome } from '#infra/testing';
import { OperationsWorld, within } from './operations-world.js';

let world: OperationsWorld;
let second: PostgresServer;
beforeAll(async () => {
  world = await OperationsWorld.start();
  second = world.cluster.servers[1] as PostgresServer;
}, 120_000);
afterAll(async () => {
  await second?.stop();
  await world?.stop();
}, 60_000);

const restart = async () => {
  const { dataDir, port, superuser } = second;
  second = await PostgresServer.start({ binariesHome: stackHome(), dataDir, port, superuser, durability: 'fast' });
};
const ready = (on: NestFastifyApplication) => world.call({ method: 'GET', path: '/health/ready' }, on);
const contracted = (on: 'later' | 'as before') =>
  world.db.asAdmin(
    'shard-2',
    on === 'later'
      ? `insert into migrations ("timestamp", name, phase) values (9999999999999, 'Later', 'contract')`
      : `delete from migrations where name = 'Later'`,
  );

/** A third shard, on the first server. */
async function thirdShard(): Promise<string> {
  await world.cluster.servers[0]?.asSuperuser(async (client) => {
    await client.query('create database third_shard template template_shard owner praxis_owner');
    await client.query('grant connect on database third_shard to praxis_app, praxis_ro, praxis_relay');
  });
  await world.db.asAdmin('directory', `insert into shard (id) values ('shard-3') on conflict do nothing`);
  return (world.env.SHARD_1_URL ?? '').replace(/[^/]+$/, 'third_shard');
}

describe('an api whose second shard is away', () => {
  it('[A-019] names it within 5 s of its stop, without an error for tenants of the others', async () => {
    const app = await world.startApi({ SHARD_3_URL: await thirdShard() });
    const sharding = app.get(Sharding);
    const contexts = await Promise.all(
      ['shard-1', 'shard-2', 'shard-3'].map(async (shardId, n) => {
        const { id, plan } = await sharding.tenants.create({ slug: `away-${n}`, name: 'Away', plan: 'FREE', shardId });
        return { ...world.db.newContext(), tenant: { id, plan } };
      }),
    );
    const [first, , third] = contexts;
    const outcomes = new Set<string>();
    let working = true;
    const load = [first, third].map(async (ctx) => {
      while (working && ctx)
        outcomes.add(
          await sharding
            .write({ ...ctx, ...world.db.newContext(), tenant: ctx.tenant }, (tx) =>
              tx.db.query('select pg_sleep(0.005)'),
            )
            .then(
              () => 'served',
              (error: unknown) => String(error),
            ),
        );
    });
    await second.stop();
    const down = async () => (await app.get(Readiness).report()).checks['shard-2']?.status === 'down';
    expect(await within(5, down)).toBe(true);
    const { status, json } = await ready(app);
    expect([status, json.status, json.details['shard-2'].code]).toEqual([200, 'degraded', 'database.unreachable']);
    expect([json.details['shard-1'].status, json.details['shard-3'].status]).toEqual(['up', 'up']);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    working = false;
    await Promise.all(load);
    expect([...outcomes]).toEqual(['served']);
    await restart();
  }, 60_000);

  it('begins without it, serves the others, and serves it when it is back and its schema fits', async () => {
    const there = await world.db.newTenant({ shardId: 'shard-2' });
    await contracted('later');
    // The servers of tests acknowledge before they write.
    await world.db.asAdmin('shard-2', 'checkpoint');
    await second.stop();
    const app = await world.startApi();
    expect(await ready(app)).toMatchObject({
      status: 200,
      json: {
        status: 'degraded',
        details: { 'shard-2': { code: 'database.unreachable' }, 'shard-1': { status: 'up' } },
      },
    });
    expect((await world.ask('/api/v1/locations', app)).status).toBe(200);
    const ask = () => {
      const ctx = { ...there, ...world.db.newContext(), tenant: there.tenant };
      return app
        .get(Sharding)
        .read(ctx, (tx) => tx.db.query('select 1'))
        .then(
          () => 'served',
          (error: { code?: string }) => error.code,
        );
    };
    expect(await ask()).toBe('shard.unavailable');
    await restart();
    const named = (code: string) => async () => (await ready(app)).json.details['shard-2'].code === code;
    expect(await within(15, named('database.schema_outdated'))).toBe(true);
    expect(await ask()).toBe('shard.unavailable');
    await contracted('as before');
    expect(await within(15, async () => (await ask()) === 'served')).toBe(true);
    expect(await within(15, async () => (await ready(app)).json.status === 'ok')).toBe(true);
  }, 60_000);

  it('does not begin without its directory, and says so', async () => {
    const away = { DIRECTORY_URL: 'postgres://praxis_app:x@127.0.0.1:1/directory' };
    await expect(world.startApi(away)).rejects.toMatchObject({ code: 'database.unreachable' });
  }, 30_000);
});
