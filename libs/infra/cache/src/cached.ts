import type { TenantContext } from '#infra/kernel';
import type { Cache } from './cache.js';
import type { StrategyName } from './strategies.js';

type CachedMethod<Args extends readonly unknown[], T> = (ctx: TenantContext, ...args: Args) => Promise<T>;

/**
 * The method's result by `keyOf` its arguments, under the tenant of its first one. The key must tell apart all that
 * the result depends on; the class holds a `cache`.
 */
export function Cached<Args extends readonly unknown[]>(strategy: StrategyName, keyOf: (...args: Args) => string) {
  return <T>(
    _target: { readonly cache: Cache },
    _name: string | symbol,
    descriptor: TypedPropertyDescriptor<CachedMethod<Args, T>>,
  ): void => {
    const { value: method } = descriptor;
    if (!method) throw new TypeError('@Cached belongs on a method');
    descriptor.value = function (this: { readonly cache: Cache }, ctx, ...args) {
      return this.cache.getOrSet(ctx, strategy, keyOf(...args), () => method.call(this, ctx, ...args));
    };
  };
}
