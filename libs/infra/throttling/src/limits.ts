import { type Clock, type Context, systemClock } from '#infra/kernel';
import type { RedisConnections } from '#infra/redis';
import type { Log, Metrics } from '#infra/telemetry';
import { type ChargeGroup, chargesOf, type LimitSubject } from './charges.js';
import { type LimitClassName, type LimitPolicies, limitPolicies } from './limit-classes.js';
import type { GroupAnswer } from './local-windows.js';
import { SharedWindows } from './shared-windows.js';
import type { ThrottlingConfig } from './throttling.config.js';

/** One policy after a call, for the answer's headers. */
export interface LimitState {
  readonly name: string;
  readonly limit: number;
  readonly windowMs: number;
  readonly remaining: number;
  readonly resetMs: number;
  /** This policy refused the call. */
  readonly exceeded: boolean;
}

export interface LimitResult {
  readonly allowed: boolean;
  /** 0 when allowed. */
  readonly retryAfterMs: number;
  readonly policies: readonly LimitState[];
}

export interface LimitsParts {
  readonly config: ThrottlingConfig;
  readonly redis: RedisConnections;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly clock?: Clock;
}

const everything: LimitResult = { allowed: true, retryAfterMs: 0, policies: [] };

/** How many requests anybody may make. Never throws and never waits longer than 25 ms: without Redis it counts itself. */
export class Limits {
  private readonly policies: LimitPolicies;
  private readonly windows: SharedWindows;
  private readonly enabled: boolean;
  private readonly decisions;

  constructor({ config, redis, log, metrics, clock = systemClock }: LimitsParts) {
    this.enabled = config.enabled;
    this.policies = limitPolicies(config);
    this.windows = new SharedWindows({ redis, log, clock, nodes: config.expectedNodes });
    this.decisions = metrics.counter('rate_limit_decisions_total', 'Requests counted against limits.', [
      'class',
      'outcome',
    ]);
    if (!config.enabled) log.warn('limits.disabled', { hint: 'ENABLE_RATE_LIMITING is false: nobody is ever refused' });
  }

  /** Counts one call of these classes. A refused call is not counted against the policies of its group. */
  async consume(classes: readonly LimitClassName[], subject: LimitSubject, cost = 1): Promise<LimitResult> {
    if (!this.enabled) return everything;
    const groups = chargesOf(classes, subject, this.policies);
    const answers = await Promise.all(groups.map((group) => this.windows.consume(group, cost)));
    const policies = groups.flatMap((group, index) => statesOf(group, answers[index]));
    const waitsMs = answers.flatMap(({ states }) => states.map(({ waitMs }) => waitMs));
    const retryAfterMs = Math.max(0, ...waitsMs);
    const outcome = retryAfterMs === 0 ? 'allowed' : 'refused';
    this.decisions.inc({ class: classes.join('+'), outcome });
    return { allowed: retryAfterMs === 0, retryAfterMs, policies };
  }
}

function statesOf(group: ChargeGroup, answer: GroupAnswer | undefined): readonly LimitState[] {
  return group.flatMap(({ name, limit, windowMs }, index) => {
    const state = answer?.states[index];
    if (state === undefined) return [];
    const { remaining, resetMs, waitMs } = state;
    return [{ name, limit, windowMs, remaining, resetMs, exceeded: waitMs > 0 }];
  });
}

/** Whom a Context counts for. */
export const limitSubjectOf = (ctx: Context): LimitSubject => ({
  ip: ctx.ip ?? 'unknown',
  userId: ctx.actor.kind === 'user' ? ctx.actor.id : undefined,
  tenantId: ctx.tenant?.id,
  plan: ctx.tenant?.plan,
});
