import type { BeforeApplicationShutdown } from '@nestjs/common';
import { type Actor, type Clock, type Context, systemClock } from '#infra/kernel';
import type { RedisConnections } from '#infra/redis';
import type { CounterSeries, Log, Metrics } from '#infra/telemetry';
import { addressSubject } from './address.js';
import { Blocks } from './blocks.js';
import { type ChargeGroup, Charges, type LimitCost, type LimitSubject } from './charges.js';
import { type LimitClassName, limitPolicies } from './limit-classes.js';
import type { GroupAnswer } from './local-windows.js';
import { policyItem } from './policy-item.js';
import { type AnswerSource, SharedWindows } from './shared-windows.js';
import type { HomeNetworks } from './tenant-networks.js';
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

/** Why a call was refused: its limit is used up; so is this process's share, without Redis; its subject is blocked. */
export type RefusalReason = 'exceeded' | 'reduced' | 'blocked';

export interface LimitResult {
  readonly allowed: boolean;
  /** 0 when allowed. */
  readonly retryAfterMs: number;
  readonly policies: readonly LimitState[];
  /** What the policies say of themselves, where it has been written before. */
  readonly policyText?: string;
  readonly reason?: RefusalReason;
  /** This very call was what blocked its subject. */
  readonly blockedNow?: boolean;
  /** Its client may know only X-RateLimit-*. */
  readonly older?: boolean;
}

export interface LimitsParts {
  readonly config: ThrottlingConfig;
  readonly redis: RedisConnections;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly clock?: Clock;
  /** Without it nobody is at home anywhere. */
  readonly networks?: HomeNetworks;
}

const oneRequest: LimitCost = {};
const everything: LimitResult = { allowed: true, retryAfterMs: 0, policies: [] };
const abusePolicy = { name: 'abuse', limit: 10, windowMs: 900_000, remaining: 0, exceeded: true } as const;

/** Failures of one address in this time count together. */
const failuresWindowMs = 15 * 60_000;
const failuresMax = 1_000_000;
const slowFrom = 3;
const firstDelayMs = 250;
const longestDelayMs = 2_000;

/** How long the answer to the n-th failed attempt of an address is held back: 250 ms from the third on, doubled up to 2 s. */
export const failureDelayMs = (failures: number): number =>
  failures < slowFrom ? 0 : Math.min(longestDelayMs, firstDelayMs * 2 ** Math.min(failures - slowFrom, 10));

/** How many requests anybody may make. Never throws and never waits long (`RATE_LIMIT_DEADLINE`): without Redis it counts itself. */
export class Limits implements BeforeApplicationShutdown {
  readonly blocks: Blocks;
  private readonly charges: Charges;
  private readonly windows: SharedWindows;
  private readonly networks: HomeNetworks | undefined;
  private readonly enabled: boolean;
  private readonly older: boolean;
  private readonly decisions;
  private readonly decisionsOf = new Map<string, Readonly<Record<'allowed' | 'refused', CounterSeries>>>();
  private readonly blocked;

  constructor({ config, redis, log, metrics, networks, clock = systemClock }: LimitsParts) {
    this.enabled = config.enabled;
    this.older = config.olderHeaders;
    this.networks = networks;
    this.charges = new Charges(limitPolicies(config));
    const { expectedNodes: nodes, leases, deadlineMs } = config;
    this.windows = new SharedWindows({ redis, log, clock, nodes, leases, deadlineMs });
    this.blocks = new Blocks({ redis, log, clock, forget: (key) => this.windows.forget(key) });
    this.decisions = metrics.counter('rate_limit_decisions_total', 'Requests counted against limits.', [
      'class',
      'outcome',
    ]);
    metrics.observedGauge('rate_limit_answers', 'Counts answered since the start, by who answered.', ['source'], () =>
      Object.entries(this.windows.answered).map(([source, value]) => ({ labels: { source }, value })),
    );
    this.blocked = metrics.counter('rate_limit_blocks_total', 'Subjects that were blocked for abuse.', ['subject']);
    if (!config.enabled) log.warn('limits.disabled', { hint: 'ENABLE_RATE_LIMITING is false: nobody is ever refused' });
  }

  /**
   * Counts one call of these classes. A refused call is not counted against the policies of its group. There is nothing to
   * wait for where a lease or a known denial answers.
   */
  consume(
    classes: readonly LimitClassName[],
    subject: LimitSubject,
    cost: LimitCost = oneRequest,
  ): LimitResult | Promise<LimitResult> {
    if (!this.enabled) return everything;
    const home = this.networks?.isHome(subject) ?? false;
    if (typeof home === 'boolean') return this.count(classes, home ? { ...subject, atHome: true } : subject, cost);
    return home.then((atHome) => this.count(classes, atHome ? { ...subject, atHome } : subject, cost));
  }

  private count(
    classes: readonly LimitClassName[],
    subject: LimitSubject,
    cost: LimitCost,
  ): LimitResult | Promise<LimitResult> {
    const isOne = cost.requests === undefined && cost.bytes === undefined;
    const groups = isOne ? this.charges.ofOne(classes, subject) : this.charges.of(classes, subject, cost);
    const answers = this.denied(groups) ?? this.ask(groups);
    return answers instanceof Promise
      ? answers.then((all) => this.tell(classes, groups, all))
      : this.tell(classes, groups, answers);
  }

  /** Who is known to be refused costs nobody else anything. */
  private denied(groups: readonly ChargeGroup[]): readonly (GroupAnswer | undefined)[] | undefined {
    if (this.windows.deniesNobody) return undefined;
    const denied = groups.map((group) => this.windows.denied(group));
    return denied.some((answer) => answer !== undefined) ? denied : undefined;
  }

  private tell(
    classes: readonly LimitClassName[],
    groups: readonly ChargeGroup[],
    answers: readonly (GroupAnswer | undefined)[],
  ): LimitResult {
    const result = resultOf(groups, answers);
    this.noteDecision(classes, result.allowed);
    if (result.blockedNow) this.noteBlocks(groups, answers);
    return this.older ? { ...result, older: true } : result;
  }

  private noteDecision(classes: readonly LimitClassName[], allowed: boolean): void {
    const name = classes.length === 1 ? (classes[0] ?? '') : classes.join('+');
    const series = this.decisionsOf.get(name) ?? {
      allowed: this.decisions.of({ class: name, outcome: 'allowed' }),
      refused: this.decisions.of({ class: name, outcome: 'refused' }),
    };
    this.decisionsOf.set(name, series);
    (allowed ? series.allowed : series.refused).inc();
  }

  /**
   * Counts a failed attempt of an address (a wrong password); for how long its answer is to be held back. Without Redis,
   * each as long as the last.
   */
  async failed({ ip }: LimitSubject): Promise<number> {
    if (!this.enabled) return 0;
    const rule = { algorithm: 'sliding', limit: failuresMax, windowMs: failuresWindowMs } as const;
    const key = `limits:{ip:${addressSubject(ip)}}:failures`;
    const charge = { name: 'failures', key, rule, cost: 1, leasable: false, strict: false, blamed: false };
    const { states, local } = await this.windows.consume({ charges: [charge] });
    const left = states[0]?.remaining ?? failuresMax;
    return local ? longestDelayMs : failureDelayMs(failuresMax - left);
  }

  /** How many counts were answered, and by whom, since the start. */
  get answered(): Readonly<Record<AnswerSource, number>> {
    return this.windows.answered;
  }

  beforeApplicationShutdown(): Promise<void> {
    return this.windows.close();
  }

  private ask(groups: readonly ChargeGroup[]): readonly GroupAnswer[] | Promise<readonly GroupAnswer[]> {
    const leased: (GroupAnswer | undefined)[] = [];
    let wait = false;
    for (const group of groups) {
      const answer = this.windows.leased(group);
      wait ||= answer === undefined;
      leased.push(answer);
    }
    if (!wait) return leased as readonly GroupAnswer[];
    return Promise.all(groups.map((group, n) => leased[n] ?? this.windows.consume(group)));
  }

  private noteBlocks(groups: readonly ChargeGroup[], answers: readonly (GroupAnswer | undefined)[]): void {
    for (const [n, { abuse }] of groups.entries()) {
      const answer = answers[n];
      if (abuse === undefined || !answer?.blockedNow) continue;
      this.blocked.inc({ subject: abuse.startsWith('limits:{ip:') ? 'address' : 'user' });
      void this.blocks.note(abuse, answer.blockedMs ?? 0);
    }
  }
}

function resultOf(groups: readonly ChargeGroup[], answers: readonly (GroupAnswer | undefined)[]): LimitResult {
  const policies: LimitState[] = [];
  let retryAfterMs = 0;
  let blockedMs = 0;
  let blockedNow = false;
  let reduced = false;
  let n = 0;
  for (const group of groups) {
    const answer = answers[n];
    n += 1;
    addStates(policies, group, answer);
    if (answer === undefined || answer.taken) continue;
    for (const { waitMs } of answer.states) retryAfterMs = Math.max(retryAfterMs, waitMs);
    blockedMs = Math.max(blockedMs, answer.blockedMs ?? 0);
    blockedNow ||= answer.blockedNow ?? false;
    reduced ||= answer.reduced ?? false;
  }
  if (blockedMs > 0) {
    policies.push({ ...abusePolicy, resetMs: blockedMs });
    return { allowed: false, retryAfterMs: blockedMs, policies, reason: 'blocked', blockedNow };
  }
  if (retryAfterMs === 0) return { allowed: true, retryAfterMs, policies, policyText: textOf(groups) };
  return { allowed: false, retryAfterMs, policies, reason: reduced ? 'reduced' : 'exceeded' };
}

/** A caller's groups are the same objects at each call. */
const texts = new WeakMap<readonly ChargeGroup[], string>();

function textOf(groups: readonly ChargeGroup[]): string {
  const known = texts.get(groups);
  if (known !== undefined) return known;
  const charges = groups.flatMap((group) => group.charges);
  const text = charges.map(({ name, rule }) => policyItem({ name, ...rule })).join(', ');
  texts.set(groups, text);
  return text;
}

/** Of a group that was not asked, because another one refuses anyway, only the rules are known. */
function addStates(policies: LimitState[], { charges }: ChargeGroup, answer: GroupAnswer | undefined): void {
  let n = 0;
  for (const { name, rule } of charges) {
    const { limit, windowMs } = rule;
    const { remaining, resetMs, waitMs } = answer?.states[n] ?? { remaining: limit, resetMs: 0, waitMs: 0 };
    policies.push({ name, limit, windowMs, remaining, resetMs, exceeded: waitMs > 0 });
    n += 1;
  }
}

/** Whom a Context counts for: the same object for as long as a user's actor and address are the same. */
export function limitSubjectOf({ ip = 'unknown', actor, tenant }: Context): LimitSubject {
  const known = subjects.get(actor);
  if (known?.ip === ip && known.tenantId === tenant?.id && known.plan === tenant?.plan) return known;
  const userId = actor.kind === 'user' ? actor.id : undefined;
  const subject = { ip, userId, tenantId: tenant?.id, plan: tenant?.plan };
  if (userId !== undefined) subjects.set(actor, subject);
  return subject;
}
const subjects = new WeakMap<Actor, LimitSubject>();
