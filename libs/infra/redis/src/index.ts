export { RedisBreaker } from './breaker.js';
export type { ClusterState } from './cluster-state.js';
export type { CommandCounts } from './command-meter.js';
export type { RedisConnection } from './connect.js';
export { RedisConnections } from './connections.js';
export { type RedisConfig, redisConfig } from './redis.config.js';
export { RedisModule } from './redis.module.js';
export { type RedisRole, redisRoles } from './roles.js';
