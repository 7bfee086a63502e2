import type { Statement } from './transaction.js';

/**
 * The first statement of a system worker's transaction: a tenant that leaves this database is handed over between such
 * transactions, never inside one.
 */
export const systemTurn: Statement = {
  sql: `select pg_advisory_xact_lock_shared(hashtextextended('system workers', 0))`,
  parameters: [],
};
