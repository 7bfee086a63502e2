import fc from 'fast-check';
import { newId, type TenantContext, type TenantId } from '#infra/kernel';
import { cacheKey, claimKey, forgottenKey, lateKey, representationKey, scopes, tenantOf } from './key.js';
import { strategyNames } from './strategies.js';

const contextOf = (id: string): TenantContext => ({
  requestId: 'r',
  actor: { kind: 'anonymous' },
  tenant: { id: id as TenantId, plan: 'FREE' },
  deadline: 0,
});
const ctx = contextOf(newId());
const refused = expect.objectContaining({ code: 'cache.key_invalid' });

describe('a key', () => {
  it('[C-148] holds a-z 0-9 : _ - and at most 200 bytes, and its tenant comes from the context alone', () => {
    const taken = cacheKey(ctx, 'general', 'a:b_c-9');
    expect(taken.text).toBe(`c1:{t:${ctx.tenant.id}}:general:a:b_c-9`);
    expect(taken.tenantId).toBe(ctx.tenant.id);
    expect(cacheKey(ctx, 'general', 'k'.repeat(200)).text).toContain('k'.repeat(200));
    const other = newId();
    for (const wrong of ['', 'k'.repeat(201), 'A', 'a b', 'a*', 'é', 'a\n', `{t:${other}}:x`, 'a}b', 'a/b', '#x'])
      expect(() => cacheKey(ctx, 'general', wrong)).toThrow(refused);
    const named = cacheKey(ctx, 'general', `t:${other}`);
    expect([named.tenantId, tenantOf(named.text)]).toEqual([ctx.tenant.id, ctx.tenant.id]);
  });

  it('of one tenant, strategy and name is never that of another, nor anything that Redis keeps beside one', () => {
    const name = fc.stringMatching(/^[a-z0-9:_-]{1,40}$/);
    const part = fc.tuple(fc.uuid(), fc.constantFrom(...strategyNames), name);
    const textOf = ([tenant, strategy, key]: [string, (typeof strategyNames)[number], string]) =>
      cacheKey(contextOf(tenant), strategy, key).text;
    fc.assert(
      fc.property(part, part, (one, two) => {
        const same = JSON.stringify(one) === JSON.stringify(two);
        expect(textOf(one) === textOf(two)).toBe(same);
        for (const beside of [forgottenKey, lateKey, claimKey]) expect(textOf(one)).not.toBe(beside(textOf(two)));
        const [tenant, strategy, tag] = two;
        const id = tenant as TenantId;
        for (const scope of [scopes.ofTenant(id), scopes.ofStrategy(id, strategy), scopes.ofTag(id, tag)])
          expect(textOf(one)).not.toBe(scope);
        expect(tenantOf(textOf(one))).toBe(one[0]);
      }),
    );
  });

  it('of a representation tells apart who may see what, and which rules said so', () => {
    const keys = ['phone', 'none'].flatMap((mask) =>
      [1, 2].map((policyVersion) => representationKey('member:7', { mask, policyVersion })),
    );
    expect(keys).toEqual(['member:7:m-phone:p1', 'member:7:m-phone:p2', 'member:7:m-none:p1', 'member:7:m-none:p2']);
    for (const key of keys) expect(cacheKey(ctx, 'memberData', key).text).toContain(key);
  });
});
