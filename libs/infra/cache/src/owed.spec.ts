import { newId, type TenantContext, type TenantId } from '#infra/kernel';
import { cacheKey, scopes } from './key.js';
import { Owed, owedMax, owedPerTenantMax } from './owed.js';

const contextOf = (id = newId<TenantId>()) => ({ tenant: { id, plan: 'BASIC' } }) as unknown as TenantContext;
const keyOf = (ctx: TenantContext, name: string) => cacheKey(ctx, 'general', name);

describe('what Redis has not heard of', () => {
  it('is owed key by key, and concerns those keys alone', () => {
    const owed = new Owed();
    const ctx = contextOf();
    owed.add(keyOf(ctx, 'a').text);
    owed.add(keyOf(ctx, 'a').text);
    expect([owed.size, owed.list()]).toEqual([1, [keyOf(ctx, 'a').text]]);
    expect(['a', 'b'].map((name) => owed.concerns(keyOf(ctx, name)))).toEqual([true, false]);
    expect(owed.concerns(keyOf(contextOf(), 'a'))).toBe(false);
    owed.add(scopes.ofTag(ctx.tenant.id, 'staff'));
    expect(owed.concerns(keyOf(ctx, 'b'))).toBe(true);
  });

  it('becomes the whole tenant above a hundred keys, and stays so whatever comes', () => {
    const owed = new Owed();
    const [busy, calm] = [contextOf(), contextOf()];
    owed.add(keyOf(calm, 'a').text);
    for (let n = 0; n <= owedPerTenantMax; n += 1) owed.add(keyOf(busy, `k${n}`).text);
    const all = [keyOf(calm, 'a').text, scopes.ofTenant(busy.tenant.id)];
    expect([owed.size, owed.list()]).toEqual([2, all]);
    owed.add(keyOf(busy, 'later').text);
    expect([owed.size, owed.list()]).toEqual([2, all]);
    expect(owed.concerns(keyOf(busy, 'never-forgotten'))).toBe(true);
    expect(owed.concerns(keyOf(calm, 'never-forgotten'))).toBe(false);
  });

  it('is one for each tenant where all of it is too much, and none of them is dropped', () => {
    const owed = new Owed();
    const tenants = Array.from({ length: 300 }, () => contextOf());
    for (const ctx of tenants) for (let n = 0; n < 50; n += 1) owed.add(keyOf(ctx, `k${n}`).text);
    expect(owed.size).toBeLessThanOrEqual(owedMax + tenants.length);
    for (const ctx of tenants) for (let n = 0; n < 50; n += 1) expect(owed.concerns(keyOf(ctx, `k${n}`))).toBe(true);
    for (const scope of owed.list()) owed.done(scope, owed.mark);
    expect([owed.size, owed.list()]).toEqual([0, []]);
  });

  it('stays owed where it was forgotten anew while Redis was being told', () => {
    const owed = new Owed();
    const { text } = keyOf(contextOf(), 'a');
    owed.add(text);
    const mark = owed.mark;
    owed.add(text);
    owed.done(text, mark);
    expect(owed.size).toBe(1);
    owed.done(text, owed.mark);
    expect(owed.size).toBe(0);
    owed.done(text, owed.mark);
    expect(owed.size).toBe(0);
  });
});
