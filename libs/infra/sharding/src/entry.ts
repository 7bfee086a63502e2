import { formatWalPosition, type WalPosition } from '#infra/replicas';
import type { Statement } from './transaction.js';

export interface Entry {
  readonly tenantId: string;
  readonly epoch: number;
  /** Cancels any statement that runs longer; null leaves the connection's own limit. */
  readonly timeoutMs: number | null;
  /** For a replica: the log position that it must have replayed. */
  readonly after: WalPosition | null;
  /** True: a server in recovery is the wrong one, whatever it answers. */
  readonly onPrimary: boolean;
}

/** The first statement of a tenant's transaction. */
export function entering({ tenantId, epoch, timeoutMs, after, onPrimary }: Entry): Statement {
  const parameters: unknown[] = [tenantId, epoch];
  const calls = ['enter_tenant($1, $2)'];
  if (after !== null) calls[0] = `enter_tenant_after($1, $2, $${parameters.push(formatWalPosition(after))})`;
  if (onPrimary) calls.push('pg_is_in_recovery()');
  if (timeoutMs !== null) calls.push(`set_config('statement_timeout', $${parameters.push(String(timeoutMs))}, true)`);
  return { sql: `select ${calls.join(', ')}`, parameters };
}
