import type { TenantContext, TenantId } from '#infra/kernel';
import { fail } from './cache.errors.js';
import type { StrategyName } from './strategies.js';

/** Where an entry lies: `c1:{t:<tenant>}:<strategy>:<key>`. All keys of a tenant share a slot of a cluster. */
export interface CacheKey {
  readonly text: string;
  readonly tenantId: TenantId;
  readonly strategy: StrategyName;
}

export const keyMaxBytes = 200;
const grammar = /^[a-z0-9:_-]{1,200}$/;
const full = /^c1:\{t:([0-9a-f-]{36})\}:\w+:/;

/** The tenant comes from the context alone; `name` can neither hold braces nor reach out of its strategy. */
export function cacheKey(ctx: TenantContext, strategy: StrategyName, name: string): CacheKey {
  if (!grammar.test(name))
    throw fail('cache.key_invalid', { internal: `a key of ${strategy} is not 1…${keyMaxBytes} of a-z 0-9 : _ -` });
  return { text: `c1:{t:${ctx.tenant.id}}:${strategy}:${name}`, tenantId: ctx.tenant.id, strategy };
}

export function tenantOf(text: string): TenantId {
  const [, tenantId] = full.exec(text) ?? [];
  if (tenantId === undefined) throw new TypeError('a key of the cache names no tenant');
  return tenantId as TenantId;
}

/** Holds a new value after each `forget`: what was being loaded before it is not stored any more. */
export const generationKey = (text: string): string => `${text}#generation`;
