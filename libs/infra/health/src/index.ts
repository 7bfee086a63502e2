export { HealthModule } from './health.module.js';
export { operatorPages } from './operator-pages.js';
export { ProcessHealth, type ProcessReport } from './process-health.js';
export { addDatabaseChecks, addRedisCheck } from './product-checks.js';
export {
  type Check,
  type CheckReport,
  type CheckStatus,
  cachedMs,
  checkDeadlineMs,
  type HealthReport,
  Readiness,
} from './readiness.js';
export {
  type DatabaseHealth,
  type RedisHealth,
  ServerHealth,
  type ServersHealth,
} from './server-health.js';
