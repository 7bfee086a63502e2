import type { TenantContext, TenantId } from '#infra/kernel';
import { fail } from './cache.errors.js';
import type { StrategyName } from './strategies.js';

/** Where an entry lies: `c1:{t:<tenant>}:<strategy>:<key>`. All keys of a tenant share a slot of a cluster. */
export interface CacheKey {
  readonly text: string;
  readonly tenantId: TenantId;
  readonly strategy: StrategyName;
  readonly name: string;
}

export const keyMaxBytes = 200;
const grammar = /^[a-z0-9:_-]{1,200}$/;
const full = /^c1:\{t:([0-9a-f-]{36})\}[:#]/;

/** The tenant comes from the context alone; `name` can neither hold braces nor reach out of its strategy. */
export function cacheKey(ctx: TenantContext, strategy: StrategyName, name: string): CacheKey {
  if (!grammar.test(name))
    throw fail('cache.key_invalid', { internal: `a key of ${strategy} is not 1…${keyMaxBytes} of a-z 0-9 : _ -` });
  return { text: `c1:{t:${ctx.tenant.id}}:${strategy}:${name}`, tenantId: ctx.tenant.id, strategy, name };
}

export function tenantOf(text: string): TenantId {
  const [, tenantId] = full.exec(text) ?? [];
  if (tenantId === undefined) throw new TypeError('a key of the cache names no tenant');
  return tenantId as TenantId;
}

/** Most things that one entry may be forgotten with. */
export const tagsMax = 8;

/**
 * What is forgotten together: all of a tenant, of a strategy, of a tag; each has one version in Redis, named like this.
 * A single key is its own scope. No key holds a `#`.
 */
export const scopes = {
  ofTenant: (tenantId: TenantId): string => `c1:{t:${tenantId}}#all`,
  ofStrategy: (tenantId: TenantId, strategy: StrategyName): string => `c1:{t:${tenantId}}#of:${strategy}`,
  tagPrefix: (tenantId: TenantId): string => `c1:{t:${tenantId}}#tag:`,
  ofTag(tenantId: TenantId, tag: string): string {
    if (!grammar.test(tag)) throw fail('cache.key_invalid', { internal: 'a tag is not 1…200 of a-z 0-9 : _ -' });
    return `${scopes.tagPrefix(tenantId)}${tag}`;
  },
} as const;

export const isScope = (text: string): boolean => text.includes('#');

/** Holds the instant of the last `forget` of this key for as long as a load may take: an older load is not stored. */
export const forgottenKey = (text: string): string => `${text}#forgotten`;
/** A copy that outlives the entry, for when the source is away. */
export const lateKey = (text: string): string => `${text}#late`;
/** Who loads it now. */
export const claimKey = (text: string): string => `${text}#claim`;

/**
 * The key of something that shows less than all: it ends in who may see what, so that an answer never outlives the mask
 * it was made with.
 */
export const representationKey = (
  name: string,
  { mask, policyVersion }: { readonly mask: string; readonly policyVersion: number },
): string => `${name}:m-${mask}:p${policyVersion}`;
