import type { Clock, Instant } from '#infra/kernel';
import type { Charge, ChargeGroup } from './charges.js';
import type { GroupAnswer } from './local-windows.js';
import type { RuleState } from './rule.js';

const leaseMs = 1_000;
const leaseMax = 1_000;
const leaseShare = 0.01;
/** No more leases once so little of a limit is left: its last fifth is counted at every call. */
const leaseAbove = 0.2;
/** From this part of a lease on a new one is worth asking for, so that nobody has to wait for it. */
const lowFrom = 0.75;
const maxLeases = 50_000;

/** Calls that one process may let through before it tells: a hundredth of the limit, at most a thousand. */
export const leaseOf = (limit: number): number => Math.min(leaseMax, Math.floor(limit * leaseShare));

interface Lease {
  readonly charge: Charge;
  until: Instant;
  /** Let through and not told yet. */
  debt: number;
  /** Told, and not acknowledged yet. */
  owed: number;
  state: RuleState;
}

/** What a call is told that passes by its leases. */
export interface LeasedAnswer extends GroupAnswer {
  readonly runsLow: boolean;
}

/**
 * While much of a limit is left, a process lets a few calls through by itself and tells Redis afterwards: with its next
 * call, when the lease runs low, or after a second. What it has let through untold is never more than one lease per count,
 * so all processes together never exceed a limit by more than (processes × lease), and by nothing where only one process asks.
 */
export class Leases {
  private readonly byKey = new Map<string, Lease>();

  constructor(private readonly clock: Clock) {}

  /** For a call that passes by its leases; undefined when Redis has to be asked. */
  pass({ charges }: ChargeGroup): LeasedAnswer | undefined {
    if (this.byKey.size === 0) return undefined;
    const at = this.clock.now();
    const leases: Lease[] = [];
    for (const charge of charges) {
      const lease = this.byKey.get(charge.key);
      if (lease === undefined || !covers(lease, charge, at)) return undefined;
      leases.push(lease);
    }
    const states: RuleState[] = [];
    let runsLow = false;
    for (const lease of leases) {
      lease.debt += charges[states.length]?.cost ?? 0;
      runsLow ||= lease.owed === 0 && lease.debt >= leaseOf(lease.charge.rule.limit) * lowFrom;
      const { remaining, resetMs } = lease.state;
      states.push({ remaining: Math.max(0, remaining - lease.debt - lease.owed), resetMs, waitMs: 0 });
    }
    return { at, taken: true, states, runsLow };
  }

  /** What is to be told with the next call; counts as told until `settled`. */
  owed({ charges }: ChargeGroup): readonly number[] | undefined {
    if (this.byKey.size === 0) return undefined;
    return charges.map(({ key }) => {
      const lease = this.byKey.get(key);
      if (lease === undefined) return 0;
      const { debt } = lease;
      lease.owed += debt;
      lease.debt = 0;
      return debt;
    });
  }

  /** After Redis has answered, or has not: then what was told is not told again. */
  settled({ charges }: ChargeGroup, owed: readonly number[] | undefined, answer?: GroupAnswer): void {
    for (const [n, charge] of charges.entries()) {
      const lease = this.byKey.get(charge.key);
      if (lease !== undefined) lease.owed -= owed?.[n] ?? 0;
      const state = answer?.states[n];
      if (charge.leasable && state !== undefined && answer?.taken === true) this.grant(charge, state);
      else if (lease !== undefined) lease.until = 0;
    }
  }

  /** Leases that are over and owe something, to be told by themselves; the others that are over are forgotten. */
  takeOver(now = this.clock.now()): readonly Charge[] {
    const indebted: Charge[] = [];
    for (const [key, lease] of this.byKey) {
      if (lease.until > now) continue;
      if (lease.debt > 0) indebted.push(lease.charge);
      else if (lease.owed === 0) this.byKey.delete(key);
    }
    return indebted;
  }

  get isEmpty(): boolean {
    return this.byKey.size === 0;
  }

  private grant(charge: Charge, state: RuleState): void {
    const lease = this.byKey.get(charge.key);
    const until = state.remaining > charge.rule.limit * leaseAbove ? this.clock.now() + leaseMs : 0;
    if (lease !== undefined) Object.assign(lease, { until, state });
    else if (until > 0 && this.byKey.size < maxLeases)
      this.byKey.set(charge.key, { charge, until, debt: 0, owed: 0, state });
  }
}

const covers = ({ charge, until, debt, owed }: Lease, { cost, rule }: Charge, now: Instant): boolean =>
  now < until && charge.rule.limit === rule.limit && debt + owed + cost <= leaseOf(rule.limit);
