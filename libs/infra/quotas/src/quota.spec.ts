import fc from 'fast-check';
import { plans } from '#infra/kernel';
import { levelOf, periodStartOf, placeOf, planLimits, quotaResources, resetAtOf, upgradeFrom } from './quota.js';
import { limitOf, limitsSettleMs } from './tenant-limits.js';

const at = Date.parse('2026-12-31T23:59:59.999Z');

describe('limits of plans', () => {
  it('never fall from a plan to a larger one, and end with none', () => {
    for (const resource of quotaResources) {
      const limits = plans.map((plan) => planLimits[plan][resource] ?? Number.POSITIVE_INFINITY);
      expect(limits).toEqual(limits.toSorted((a, b) => a - b));
      expect(limits.at(-1)).toBe(Number.POSITIVE_INFINITY);
      expect(limits[0]).toBeGreaterThan(0);
    }
  });

  it('are counted in the directory for what lives there, else in the shard', () => {
    expect(quotaResources.filter((resource) => placeOf(resource) === 'directory')).toEqual(['users']);
  });

  it('give way to a tenant’s own, the other way round too', () => {
    const entry = { plan: 'FREE', quotaOverrides: { patients: 3, members: null }, limitsSince: 0 } as const;
    expect(limitOf(entry, 'patients', at).limit).toBe(3);
    expect(limitOf(entry, 'members', at).limit).toBeNull();
    expect(limitOf(entry, 'users', at).limit).toBe(planLimits.FREE.users);
  });

  it('that have changed are counted for at once, and again when no process goes by the old ones', () => {
    const entry = { plan: 'FREE', quotaOverrides: {}, limitsSince: at } as const;
    expect(limitOf(entry, 'users', at).freshFrom).toBe(at);
    expect(limitOf(entry, 'users', at + limitsSettleMs - 1).freshFrom).toBe(at);
    expect(limitOf(entry, 'users', at + limitsSettleMs).freshFrom).toBe(at + limitsSettleMs);
    expect(limitOf({ ...entry, limitsSince: 0 }, 'users', at).freshFrom).toBe(0);
  });
});

describe('an upgrade', () => {
  it('is the first plan that allows more, and none where there is none', () => {
    expect(upgradeFrom('FREE', 'patients', 100)).toEqual({ plan: 'BASIC', limit: 5_000, url: '/api/v1/plans' });
    expect(upgradeFrom('FREE', 'patients', 5_000)).toMatchObject({ plan: 'PROFESSIONAL' });
    expect(upgradeFrom('PROFESSIONAL', 'users', 500)).toMatchObject({ plan: 'ENTERPRISE', limit: null });
    expect(upgradeFrom('ENTERPRISE', 'users', 7)).toBeNull();
  });
});

describe('a level', () => {
  it('is the highest part of the limit that is used', () => {
    const levels = [0, 79, 80, 94, 95, 99, 100, 101].map((used) => levelOf(used, 100));
    expect(levels).toEqual([0, 0, 80, 80, 95, 95, 100, 100]);
    expect(levelOf(0, 0)).toBe(100);
    expect(levelOf(2, 3)).toBe(0);
    expect(levelOf(3, 3)).toBe(100);
  });

  it('rises with what is used', () => {
    const count = fc.nat({ max: 1_000_000 });
    fc.assert(
      fc.property(count, count, count, (limit, one, other) => {
        expect(levelOf(Math.min(one, other), limit)).toBeLessThanOrEqual(levelOf(Math.max(one, other), limit));
      }),
    );
  });
});

describe('a period', () => {
  it('of orders is the month, in UTC; what exists counts from ever', () => {
    expect(periodStartOf('orders', at)).toBe(Date.parse('2026-12-01T00:00:00Z'));
    expect(resetAtOf('orders', at)).toBe(Date.parse('2027-01-01T00:00:00Z'));
    expect(periodStartOf('orders', at + 1)).toBe(Date.parse('2027-01-01T00:00:00Z'));
    expect(periodStartOf('patients', at)).toBe(0);
    expect(resetAtOf('patients', at)).toBeNull();
  });
});
