import { setTimeout as pause } from 'node:timers/promises';
import { systemClock, type TenantId, type UserId } from '#infra/kernel';
import { chargeOf, LimitsWorld, slidingOf, someone, stranger } from '../test/limits-world.js';
import { RedisWindows } from './redis-windows.js';

let world: LimitsWorld;
const start = () => world.process();

beforeAll(async () => {
  world = await LimitsWorld.start();
});
afterEach(() => world.closeProcesses());
afterAll(() => world.stop());

describe('abuse', () => {
  const minuteMs = 60_000;
  const abuse = (tag: string) => `limits:{ip:${tag}}:abuse`;
  /** One window after the other is violated; the answer of the last call. */
  async function violate(shared: RedisWindows, tag: string, windows: number) {
    const charge = { ...chargeOf(`limits:{ip:${tag}}:test`, slidingOf(1, 100)), blamed: true };
    let answer = await shared.consume({ charges: [charge], abuse: abuse(tag) });
    for (let n = 0; n < windows; n += 1) {
      for (let call = 0; call < 3; call += 1) answer = await shared.consume({ charges: [charge], abuse: abuse(tag) });
      await pause(120);
    }
    return answer;
  }

  it('[C-139] of ten violated windows within 15 minutes blocks for 15 minutes, then an hour, then a day, until it is lifted', async () => {
    const { redis, limits } = await start();
    const shared = new RedisWindows(redis);
    const ip = '198.51.100.139';
    expect((await violate(shared, ip, 9)).blockedMs).toBeUndefined();
    const lengths = [];
    for (const windows of [1, 10, 10, 10]) {
      const { blockedMs = 0 } = await violate(shared, ip, windows);
      lengths.push(Math.round(blockedMs / minuteMs));
      // The block is over.
      await redis.get('limits').hset(abuse(ip), 'until', 0);
    }
    expect(lengths).toEqual([15, 60, 1_440, 1_440]);

    await redis.get('limits').hset(abuse(ip), 'until', systemClock.now() + minuteMs);
    const refused = await limits.consume(['public'], { ip });
    expect(refused).toMatchObject({ allowed: false, reason: 'blocked' });
    expect(refused.policies.at(-1)).toMatchObject({ name: 'abuse', exceeded: true });
    expect(await limits.blocks.lift({ kind: 'address', address: ip })).toBe(true);
    expect((await limits.consume(['public'], { ip })).allowed).toBe(true);
  }, 30_000);

  it('is no debt that is told: who passed was allowed to', async () => {
    const shared = new RedisWindows((await start()).redis);
    const ip = '198.51.100.141';
    for (let n = 0; n < 10; n += 1) {
      const rule = slidingOf(1, minuteMs);
      const charge = { ...chargeOf(`limits:{ip:${ip}}:test-${n}`, rule, 0), blamed: true };
      const { taken, blockedMs } = await shared.consume({ charges: [charge], abuse: abuse(ip) }, [2]);
      expect([taken, blockedMs]).toEqual([false, undefined]);
    }
    const { blockedMs } = await violate(shared, ip, 1);
    expect(blockedMs).toBeUndefined();
  });

  it('lists whom it blocks, by address or user, with the end of the block', async () => {
    const { limits, redis } = await start();
    const user = someone();
    const subject = { ...user, tenantId: user.tenantId as TenantId, userId: user.userId as UserId };
    await limits.blocks.note(`limits:{t:${subject.tenantId}}:u:${subject.userId}:abuse`, 2 * minuteMs);
    await limits.blocks.note('limits:{ip:2001:db8:1:2::/64}:abuse', minuteMs);
    await redis.get('limits').hset('limits:{ip:2001:db8:1:2::/64}:abuse', 'until', 1);
    const listed = async () => (await limits.blocks.list()).map((block) => block.subject);
    expect(await listed()).toEqual([
      { kind: 'address', address: '2001:db8:1:2::/64' },
      { kind: 'user', tenantId: subject.tenantId, userId: subject.userId },
    ]);
    expect(await limits.blocks.lift({ kind: 'address', address: '2001:db8:1:2::/64' })).toBe(true);
    expect(await limits.blocks.lift({ kind: 'address', address: '2001:db8:1:2::/64' })).toBe(false);
    expect(await listed()).toHaveLength(1);
  });

  it('[C-140] hold failed attempts of an address back from the third on: 250 ms, doubled up to 2 s', async () => {
    const { limits } = await start();
    const delays = [];
    for (let n = 0; n < 8; n += 1) delays.push(await limits.failed(stranger(12)));
    expect(delays).toEqual([0, 0, 250, 500, 1_000, 2_000, 2_000, 2_000]);
    expect(await limits.failed(stranger(13))).toBe(0);
  });
});
