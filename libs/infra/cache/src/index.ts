export { type CacheConfig, cacheConfig } from './cache.config.js';
export { Cache, type CacheParts } from './cache.js';
export { CacheModule } from './cache.module.js';
export { Cached } from './cached.js';
export type { HitCounts } from './counts.js';
export { keyMaxBytes } from './key.js';
export type { CacheStats, HitRate, StrategyStats } from './stats.js';
export { type Strategy, type StrategyName, strategyNames } from './strategies.js';
