import fc from 'fast-check';
import {
  AppError,
  type Context,
  defineErrors,
  FixedClock,
  isAppError,
  isId,
  may,
  newId,
  type Page,
  pageOf,
} from './index.js';

const fail = defineErrors({
  'card.revoked': { kind: 'gone', public: 'This card was revoked.' },
});

describe('errors', () => {
  it('carry kind and public text of their code, and keep the internal text for the log', () => {
    const error = fail('card.revoked', { internal: 'card 17', retryAfterMs: 5 });
    expect(error).toBeInstanceOf(AppError);
    expect([error.kind, error.code, error.publicText, error.message]).toEqual([
      'gone',
      'card.revoked',
      'This card was revoked.',
      'card 17',
    ]);
    expect(isAppError(error, 'card.revoked')).toBe(true);
    expect(isAppError(error, 'card.lost')).toBe(false);
    expect(isAppError(new Error('card.revoked'))).toBe(false);
  });
});

describe('ids', () => {
  it('are UUIDv7, unique, and order by the time they were made', () => {
    const ids = Array.from({ length: 1_000 }, () => newId());
    expect(new Set(ids).size).toBe(1_000);
    expect(ids.every((id) => isId(id) && id[14] === '7')).toBe(true);
    expect([...ids].sort()).toEqual(ids);
  });
});

describe('permissions', () => {
  const context = (actor: Context['actor']): Context => ({ requestId: 'r', actor, tenant: null, deadline: 0 });
  it('are denied by default, granted by name, and our own code acts for a verb already allowed', () => {
    const id = newId() as never;
    const user = { kind: 'user', id, sessionId: id, permissions: new Set(['cards.read']) } as const;
    expect(may(context(user), 'cards.read')).toBe(true);
    expect(may(context(user), 'cards.revoke')).toBe(false);
    expect(may(context({ kind: 'anonymous' }), 'cards.read')).toBe(false);
    expect(may(context({ kind: 'system', name: 'sweeper' }), 'cards.revoke')).toBe(true);
  });
});

describe('pages', () => {
  it('walk every row once, in order, and end', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat()), fc.integer({ min: 1, max: 7 }), (numbers, limit) => {
        const rows = [...numbers].sort((a, b) => a - b);
        const seen: number[] = [];
        let after: number | null = null;
        for (let turns = 0; turns <= rows.length; turns += 1) {
          const from: number | null = after;
          const fetched: number[] = rows.filter((n) => from === null || n > from).slice(0, limit + 1);
          const page: Page<number, number> = pageOf(fetched, { limit, after: from }, (n) => n);
          seen.push(...page.items);
          if (page.next === null) break;
          after = page.next;
        }
        expect(seen).toEqual(rows);
      }),
    );
  });
});

describe('clock', () => {
  it('stands still until told', () => {
    const clock = new FixedClock(1_000);
    clock.advance(5);
    expect(clock.now()).toBe(1_005);
    clock.set(7);
    expect(clock.now()).toBe(7);
  });
});
