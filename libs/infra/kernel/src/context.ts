import type { Instant } from './clock.js';
import type { SessionId, TenantId, UserId } from './ids.js';

export const plans = ['FREE', 'BASIC', 'PROFESSIONAL', 'ENTERPRISE'] as const;
export type Plan = (typeof plans)[number];

export interface Tenant {
  readonly id: TenantId;
  readonly plan: Plan;
}

export interface UserActor {
  readonly kind: 'user';
  readonly id: UserId;
  readonly sessionId: SessionId;
  readonly permissions: ReadonlySet<string>;
}
/** Our own code at work: a job, an operator's verb, a schedule. It may do what the verb asks, and the audit names it. */
export interface SystemActor {
  readonly kind: 'system';
  readonly name: string;
}
export interface AnonymousActor {
  readonly kind: 'anonymous';
}
export type Actor = UserActor | SystemActor | AnonymousActor;

/**
 * One POST's Idempotency-Key, carried to the transaction of its effect. `sharding.writeOnce` consumes it; the edge
 * reads `outcome` afterwards, and a route that promised idempotency but never consumed it is a bug.
 */
export interface IdempotencyRequest {
  readonly key: string;
  readonly route: string;
  /** HMAC-SHA256 of method, route and canonical body. */
  readonly fingerprint: Buffer;
  outcome: 'unused' | 'stored' | 'replayed';
}

/** A write that a caller knows of: where it stands in the log of a database. */
export interface SeenWrite {
  readonly database: string;
  readonly position: bigint;
  /** The server’s identifier and timeline: positions of another lineage cannot be compared. */
  readonly lineage: string;
  /** True: longer ago than a replica in rotation may lag, so that it matters only where its position can be compared. */
  readonly old?: boolean;
}

/**
 * What a caller brings along from where they wrote last, and takes along: `sharding` reads it before it asks a replica
 * and notes the newest write; the edge turns both into a header.
 */
export interface Consistency {
  /** 'unknown': they brought something that says nothing, so nobody can tell what they have seen. */
  readonly seen: SeenWrite | 'unknown' | null;
  written: SeenWrite | null;
}

/**
 * Who asks, for which tenant, until when. The explicit first argument of every verb, immutable, made in exactly three
 * places: the HTTP hook, the socket handshake, the start of a job.
 */
export interface Context {
  readonly requestId: string;
  readonly actor: Actor;
  readonly tenant: Tenant | null;
  /** After this instant nobody waits for the answer: database statements are cancelled. */
  readonly deadline: Instant;
  readonly ip?: string;
  readonly route?: string;
  readonly idempotency?: IdempotencyRequest;
  readonly consistency?: Consistency;
}

export interface TenantContext extends Context {
  readonly tenant: Tenant;
}

/** True when this actor may do what the permission names; system actors act for a verb that was already allowed. */
export const may = (ctx: Context, permission: string): boolean =>
  ctx.actor.kind === 'system' || (ctx.actor.kind === 'user' && ctx.actor.permissions.has(permission));
