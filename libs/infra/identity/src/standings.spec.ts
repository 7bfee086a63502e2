import { FixedClock, newId, type SessionId, type Tenant, type TenantId, type UserId } from '#infra/kernel';
import { type Standing, Standings, stalenessMs } from './standings.js';

const start = Date.parse('2026-12-01T09:00:00Z');
const tenant: Tenant = { id: newId<TenantId>(), plan: 'BASIC' };
const id = newId<SessionId>();

const standing = (permissionVersion: number): Standing => ({
  session: {
    id,
    userId: newId<UserId>(),
    createdAt: start,
    lastSeenAt: start,
    expiresAt: start + 1,
    idleMs: 1,
    revokedAt: null,
  },
  status: 'active',
  permissionVersion,
  permissions: new Set(),
});

/** A source whose answers come when the test lets them. */
function source() {
  const waiting: { resolve: (found: Standing | null) => void; reject: (error: Error) => void }[] = [];
  const load = () =>
    new Promise<Standing | null>((resolve, reject) => {
      waiting.push({ resolve, reject });
    });
  return { waiting, load };
}

describe('the standing of a session', () => {
  it('is loaded once for all who ask at the same time, and asked again a second after the load began', async () => {
    const clock = new FixedClock(start);
    const { waiting, load } = source();
    const standings = new Standings(load, clock);
    const asked = Array.from({ length: 100 }, () => standings.of(tenant, id, 1));
    expect(waiting).toHaveLength(1);
    clock.advance(stalenessMs - 1);
    const late = standings.of(tenant, id, 1);
    expect(waiting).toHaveLength(1);
    clock.advance(1);
    const fresh = standings.of(tenant, id, 1);
    expect(waiting).toHaveLength(2);
    waiting[0]!.resolve(standing(1));
    waiting[1]!.resolve(null);
    expect(new Set(await Promise.all([...asked, late])).size).toBe(1);
    expect(await fresh).toBeNull();
  });

  it('is asked again for a token that knows of newer permissions', async () => {
    const versions = [3, 4];
    const standings = new Standings(async () => standing(versions.shift()!), new FixedClock(start));
    expect((await standings.of(tenant, id, 3))?.permissionVersion).toBe(3);
    expect((await standings.of(tenant, id, 2))?.permissionVersion).toBe(3);
    expect((await standings.of(tenant, id, 4))?.permissionVersion).toBe(4);
    expect(versions).toEqual([]);
  });

  it('is not kept when it was forgotten while its load was under way', async () => {
    const { waiting, load } = source();
    const standings = new Standings(load, new FixedClock(start));
    const before = standings.of(tenant, id, 1);
    standings.forget(tenant.id, id);
    waiting[0]!.resolve(standing(1));
    await before;
    const after = standings.of(tenant, id, 1);
    expect(waiting).toHaveLength(2);
    waiting[1]!.resolve(null);
    expect(await after).toBeNull();
  });

  it('is asked again after a failure, and not kept when the clock was set back', async () => {
    const clock = new FixedClock(start);
    const { waiting, load } = source();
    const standings = new Standings(load, clock);
    const failed = standings.of(tenant, id, 1);
    waiting[0]!.reject(new Error('the directory does not answer'));
    await expect(failed).rejects.toThrow('the directory does not answer');
    const found = standings.of(tenant, id, 1);
    waiting[1]!.resolve(standing(1));
    expect(await found).not.toBeNull();
    clock.set(start - 60_000);
    void standings.of(tenant, id, 1);
    expect(waiting).toHaveLength(3);
  });
});
