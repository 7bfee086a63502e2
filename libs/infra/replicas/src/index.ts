export { type Balancing, balancings } from './balance.js';
export type { BreakerState } from './breaker.js';
export { ConsistencyTokens, consistencyTokenMaxChars } from './consistency-tokens.js';
export { formatWalPosition, LagMeter, parseWalPosition, type WalPosition } from './lag.js';
export { NodePool, type PoolCounts, type PoolOptions, type QueryCounts } from './pool.js';
export { type ReplicaFailure, ReplicaSet } from './replica-set.js';
export { type DatabaseConfig, databaseConfig, primaryPool } from './replicas.config.js';
export { WritePositions } from './write-positions.js';
