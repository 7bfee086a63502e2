import type { UserId } from '#infra/kernel';
import type { Role } from './roles.js';

export interface UserChange {
  /** Null for our own code at work, as when an operator makes a tenant. */
  readonly actor: { readonly id: UserId; readonly roles: readonly Role[] } | null;
  readonly target: { readonly id: UserId; readonly roles: readonly Role[] };
  /** The roles that the target will have; those that it has, where only the status changes. */
  readonly rolesAfter: readonly Role[];
}

/** Why somebody who may manage users may still not make this change, or null. */
export function refusalOf({ actor, target, rolesAfter }: UserChange): 'user.self_change' | 'user.owner_only' | null {
  if (actor === null) return null;
  if (actor.id === target.id) return 'user.self_change';
  const touchesOwnership = target.roles.includes('owner') || rolesAfter.includes('owner');
  return touchesOwnership && !actor.roles.includes('owner') ? 'user.owner_only' : null;
}
