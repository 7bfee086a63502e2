import fc from 'fast-check';
import type { Context } from '#infra/kernel';
import { isMemberNo, memberChanges, memberNoOf, memberStatuses, statusAfter } from './member.js';
import { demand, type MemberVerb, mayDo, permissionOf } from './members.policy.js';

const counts = fc.integer({ min: 1, max: 99_999_999 });

describe('a membership number', () => {
  it('is nine digits, different for different counts, and knows itself', () => {
    expect(memberNoOf(1)).toMatch(/^00000001[0-9]$/);
    fc.assert(
      fc.property(counts, counts, (a, b) => {
        expect(isMemberNo(memberNoOf(a))).toBe(true);
        expect(memberNoOf(a) === memberNoOf(b)).toBe(a === b);
      }),
    );
  });

  it('tells every single wrong digit and every two neighbours that were swapped', () => {
    fc.assert(
      fc.property(counts, fc.nat(8), fc.integer({ min: 1, max: 9 }), (count, place, by) => {
        const text = memberNoOf(count);
        const digit = (Number(text[place]) + by) % 10;
        expect(isMemberNo(text.slice(0, place) + digit + text.slice(place + 1))).toBe(false);
      }),
    );
    fc.assert(
      fc.property(counts, fc.nat(7), (count, place) => {
        const text = memberNoOf(count);
        fc.pre(text[place] !== text[place + 1]);
        const swapped = `${text.slice(0, place)}${text[place + 1]}${text[place]}${text.slice(place + 2)}`;
        expect(isMemberNo(swapped)).toBe(false);
      }),
    );
  });
});

describe('a member’s status', () => {
  it('knows these arrows and no other; a resignation is for good', () => {
    const arrows = memberStatuses.flatMap((from) =>
      memberChanges.flatMap((change) => {
        const to = statusAfter(from, change);
        return to === null ? [] : [`${from} ${change} ${to}`];
      }),
    );
    expect(arrows).toEqual([
      'active suspend suspended',
      'active resign resigned',
      'suspended reinstate active',
      'suspended resign resigned',
    ]);
  });
});

describe('who may do what with members', () => {
  const verbs = Object.keys(permissionOf) as MemberVerb[];
  const user = (...permissions: string[]) =>
    ({ actor: { kind: 'user', permissions: new Set(permissions) } }) as unknown as Context;
  const allowed = (ctx: Context) => verbs.filter((verb) => mayDo(ctx, verb));

  it('is nothing without a permission, and no more than the permission says', () => {
    expect(allowed(user('patients.read'))).toEqual([]);
    expect(allowed({ actor: { kind: 'anonymous' } } as unknown as Context)).toEqual([]);
    expect(allowed(user('cards.verify'))).toEqual(['card.inspect']);
    expect(allowed(user('members.read'))).toEqual(['member.read', 'card.read']);
    expect(allowed(user('members.lookup'))).toEqual(['member.lookup']);
    expect(() => demand(user('members.read'), 'card.issue')).toThrow(
      expect.objectContaining({ kind: 'forbidden', code: 'member.forbidden' }),
    );
  });
});
