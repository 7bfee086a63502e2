import { execFile } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { TenantContext } from '#infra/kernel';
import {
  findPort,
  openTestDatabases,
  projectRoot,
  RedisCluster,
  RedisServer,
  stackHome,
  systemProgram,
  type TestDatabases,
  waitUntil,
} from '#infra/testing';
import { CacheRig } from '../test/cache-rig.js';

const slots = 16_384;
const tenants = 40;
const keysOfEach = 5;
/** The new node's share. */
const moved = slots / 4;
const run = promisify(execFile);
const quiet = (): void => undefined;

let cluster: RedisCluster;
let db: TestDatabases;
let rig: CacheRig;
let newcomer: RedisServer | undefined;
const home = mkdtempSync(join(tmpdir(), 'praxis-growth-'));

beforeAll(async () => {
  // Redis runs as a user of its own.
  chmodSync(home, 0o711);
  [cluster, db] = await Promise.all([RedisCluster.startTemporary(), openTestDatabases()]);
  rig = await CacheRig.start(db, { env: { ...cluster.env, REDIS_URL: '' } });
}, 60_000);
afterAll(async () => {
  await rig?.stop();
  await newcomer?.stop();
  await Promise.all([db?.close(), cluster?.stop()]);
  rmSync(home, { recursive: true, force: true });
});

const password = (): string => cluster.env.REDIS_PASSWORD ?? '';
const first = (): string => `127.0.0.1:${cluster.nodes[0]?.port}`;

async function redisCli(...words: readonly string[]): Promise<string> {
  const { program, libraryPath } = systemProgram('redis-cli', stackHome(), quiet);
  const env = { REDISCLI_AUTH: password(), LD_LIBRARY_PATH: libraryPath };
  const failed = ({ stdout = '', stderr = '' }) => Promise.reject(new Error(`${stdout}${stderr}`.slice(-2_000)));
  return (await run(program, [...words], { env, maxBuffer: 2 ** 24 }).catch(failed)).stdout.trim();
}

/** By slot, the port of the primary that holds it. */
async function holders(): Promise<ReadonlyMap<number, number>> {
  const held = new Map<number, number>();
  for (const line of (await cluster.ask(0, 'CLUSTER', 'NODES')).split('\n')) {
    const [, address = '', flags = '', , , , , , ...ranges] = line.split(' ');
    if (!flags.includes('master')) continue;
    for (const range of ranges) {
      const [from = -1, to = from] = range.split('-').map(Number);
      for (let slot = from; slot <= to; slot += 1) held.set(slot, Number(/:(\d+)@/.exec(address)?.[1]));
    }
  }
  return held;
}

const keyOf = (ctx: TenantContext, n: number): string => `c1:{t:${ctx.tenant.id}}:general:thing:${n}`;
const slotOf = async (key: string): Promise<number> => Number(await cluster.ask(0, 'CLUSTER', 'KEYSLOT', key));
/** A command that takes longer than 50 ms is no answer. */
const unanswered = () => undefined;
const isStored = async (ctx: TenantContext): Promise<boolean> => {
  const found = Array.from({ length: keysOfEach }, (_, n) => rig.redis.get('cache').exists(keyOf(ctx, n)));
  return (await Promise.all(found).catch(unanswered))?.every((count) => count === 1) ?? false;
};
/** By a process that has nothing in its memory, and whose source has it no more. */
const isFound = async (by: CacheRig, ctx: TenantContext, n: number): Promise<boolean> => {
  const lost = () => Promise.reject(new Error('lost'));
  const value = await by.cache.getOrSet<string>(ctx, 'general', `thing:${n}`, lost).catch(unanswered);
  return value === `${ctx.tenant.id} ${n}`;
};

/** Written through the cache; what took Redis too long is written again. */
async function fill(ctx: TenantContext): Promise<void> {
  const write = async () => {
    await rig.cache.forgetTenant(ctx);
    for (let n = 0; n < keysOfEach; n += 1)
      await rig.cache.getOrSet(ctx, 'general', `thing:${n}`, async () => `${ctx.tenant.id} ${n}`);
    return waitUntil(() => isStored(ctx), 1_000);
  };
  expect(await waitUntil(write, 10_000)).toBe(true);
}

/** One more node with a part of the slots, as an operator adds it. */
async function grow(): Promise<number> {
  const [port, busPort] = [await findPort('Redis', [], quiet), await findPort('its bus', [], quiet)];
  const settings = readFileSync(join(projectRoot(), 'deploy/redis/cluster.conf'), 'utf8');
  const place = { binariesHome: stackHome(), dataDir: join(home, 'node'), port, password: password() };
  newcomer = await RedisServer.start({
    ...place,
    durability: 'fast',
    settings: `${settings}\nmasterauth ${password()}\ncluster-port ${busPort}\n`,
    note: quiet,
  });
  await redisCli('--cluster', 'add-node', `127.0.0.1:${port}`, first());
  const id = await redisCli('-p', String(port), 'CLUSTER', 'MYID');
  const isKnown = async () => {
    const seen = await Promise.all(cluster.nodes.map((_, n) => cluster.ask(n, 'CLUSTER', 'NODES')));
    return seen.every((nodes) => nodes.split('\n').some((line) => line.startsWith(id) && line.includes(' master ')));
  };
  const serves = async () => (await redisCli('-p', String(port), 'CLUSTER', 'INFO')).includes('cluster_state:ok');
  expect(await waitUntil(async () => (await isKnown()) && (await serves()), 15_000)).toBe(true);
  const share = ['--cluster-from', 'all', '--cluster-to', id, '--cluster-slots', String(moved), '--cluster-yes'];
  await redisCli('--cluster', 'reshard', first(), ...share);
  expect(await waitUntil(async () => (await holders()).size === slots, 10_000)).toBe(true);
  return port;
}

describe('the cache on a cluster that gets one more node', () => {
  it('[C-085] has all keys of a tenant in one slot, and slots move to the new node only: no key is lost, and all are found', async () => {
    const all = await Promise.all(Array.from({ length: tenants }, () => db.newTenant()));
    for (const ctx of all) await fill(ctx);
    const slotOfTenant = new Map<string, number>();
    for (const ctx of all) {
      const found = await Promise.all(Array.from({ length: keysOfEach }, (_, n) => slotOf(keyOf(ctx, n))));
      expect(new Set(found).size).toBe(1);
      slotOfTenant.set(ctx.tenant.id, found[0] ?? -1);
    }
    const before = await holders();
    expect(new Set(all.map(({ tenant }) => before.get(slotOfTenant.get(tenant.id) ?? -1))).size).toBe(3);

    const port = await grow();
    const after = await holders();
    const changed = [...after].filter(([slot, holder]) => before.get(slot) !== holder);
    expect(changed).toHaveLength(moved);
    expect(new Set(changed.map(([, holder]) => holder))).toEqual(new Set([port]));
    const there = all.filter(({ tenant }) => after.get(slotOfTenant.get(tenant.id) ?? -1) === port);
    expect(there.length).toBeGreaterThan(0);

    const other = await CacheRig.start(db, { env: { ...cluster.env, REDIS_URL: '' } });
    try {
      for (const ctx of all)
        for (let n = 0; n < keysOfEach; n += 1) expect(await waitUntil(() => isFound(other, ctx, n), 5_000)).toBe(true);
    } finally {
      await other.stop();
    }
  }, 120_000);
});
