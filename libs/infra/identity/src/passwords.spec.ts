import { Passwords } from './passwords.js';

describe('a stored password', () => {
  const passwords = new Passwords();

  it('is argon2id with the parameters that OWASP names, and matches only itself', async () => {
    const stored = await passwords.hash('seven otters left');
    expect(stored).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
    expect(await passwords.matches(stored, 'seven otters left')).toBe(true);
    expect(await passwords.matches(stored, 'seven otters lefT')).toBe(false);
  });

  it('matches however the same characters were typed', async () => {
    const stored = await passwords.hash('caf\u00e9 au bord du lac');
    expect(await passwords.matches(stored, 'cafe\u0301 au bord du lac')).toBe(true);
  });

  it('is outdated when it was made with less work', async () => {
    expect(passwords.isOutdated(await passwords.hash('seven otters left'))).toBe(false);
    expect(passwords.isOutdated('$argon2id$v=19$m=4096,t=3,p=1$c2FsdA$aGFzaA')).toBe(true);
  });

  it('that does not exist takes as long as one that does', async () => {
    const stored = await passwords.hash('seven otters left');
    await passwords.matches(null, 'warm up');
    const timed = async (against: string | null) => {
      const startedAt = performance.now();
      expect(await passwords.matches(against, 'wrong password')).toBe(false);
      return performance.now() - startedAt;
    };
    const known: number[] = [];
    const unknown: number[] = [];
    for (let n = 0; n < 15; n += 1) {
      known.push(await timed(stored));
      unknown.push(await timed(null));
    }
    const median = (times: number[]) => times.toSorted((a, b) => a - b)[7]!;
    expect(median(unknown) / median(known)).toBeGreaterThan(0.5);
    expect(median(unknown) / median(known)).toBeLessThan(2);
  });

  it('is refused at once when more wait to be hashed than the queue takes, and the others are served', async () => {
    const busy = new Passwords({ atOnce: 2, waiting: 5 });
    const settled = await Promise.allSettled(Array.from({ length: 8 }, () => busy.hash('seven otters left')));
    expect(settled.filter((s) => s.status === 'fulfilled')).toHaveLength(7);
    expect(settled.at(-1)).toMatchObject({ status: 'rejected', reason: { code: 'login.busy', kind: 'unavailable' } });
    await expect(busy.hash('seven otters left')).resolves.toContain('$argon2id$');
  });
});
