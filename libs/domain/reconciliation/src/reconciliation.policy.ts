import { type Context, may } from '#infra/kernel';
import { fail } from './reconciliation.errors.js';

/** The permission that each verb asks for. What a record says may be personal: to see it is to read. */
export const permissionOf = {
  'source.read': 'reconciliation.read',
  'source.create': 'reconciliation.manage',
  'statement.read': 'reconciliation.read',
  'statement.upload': 'reconciliation.manage',
  'run.read': 'reconciliation.read',
  'run.start': 'reconciliation.manage',
  'takings.read': 'analytics.read',
} as const;
export type ReconciliationVerb = keyof typeof permissionOf;

export function demand(ctx: Context, verb: ReconciliationVerb): void {
  if (!may(ctx, permissionOf[verb])) throw fail('reconciliation.forbidden', { internal: verb });
}
