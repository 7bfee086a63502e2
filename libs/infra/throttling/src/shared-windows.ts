import type { Clock, Instant } from '#infra/kernel';
import { RedisBreaker, type RedisConnections } from '#infra/redis';
import type { Log } from '#infra/telemetry';
import type { Charge, ChargeGroup } from './charges.js';
import { Denials } from './denials.js';
import { Leases } from './leases.js';
import { type GroupAnswer, LocalWindows } from './local-windows.js';
import { RedisWindows } from './redis-windows.js';

interface SharedWindowsParts {
  readonly redis: RedisConnections;
  readonly log: Log;
  readonly clock: Clock;
  /** Processes that share the limits. */
  readonly nodes: number;
  /** Few calls pass before they are told (leases.ts); without it every call is a round trip. */
  readonly leases: boolean;
  readonly deadlineMs: number;
}

/** Who answered: Redis, a lease, a known denial, or this process by its share. */
export type AnswerSource = 'redis' | 'lease' | 'denial' | 'local';

const settleEveryMs = 500;
const openForMs = 1_000;

/**
 * Counts in Redis while it answers in time, and this process's share of each limit while it does not. After 5
 * failures in a row Redis is left alone for a second.
 */
export class SharedWindows {
  private readonly shared: RedisWindows;
  private readonly local: LocalWindows;
  private readonly leases: Leases;
  private readonly breaker: RedisBreaker;
  private readonly denials: Denials;
  private readonly asking = new Map<string, Promise<GroupAnswer>>();
  private settling: NodeJS.Timeout | undefined;
  readonly answered: Record<AnswerSource, number> = { redis: 0, lease: 0, denial: 0, local: 0 };

  constructor(private readonly parts: SharedWindowsParts) {
    const { redis, log, clock } = parts;
    this.shared = new RedisWindows(redis);
    this.local = new LocalWindows(clock);
    this.leases = new Leases(clock);
    this.denials = new Denials(clock);
    this.breaker = new RedisBreaker({
      openForMs,
      clock,
      onChange: (state, error) =>
        state === 'open'
          ? log.warn('limits.source_changed', { from: 'redis', to: 'local', error })
          : log.info('limits.source_changed', { from: 'local', to: 'redis' }),
    });
  }

  get deniesNobody(): boolean {
    return this.denials.isEmpty;
  }

  /** What somebody is told again who was refused, without a round trip. */
  denied(group: ChargeGroup): GroupAnswer | undefined {
    const denied = this.denials.find(group);
    if (denied !== undefined) this.answered.denial += 1;
    return denied;
  }

  /** What somebody is told who passes by a lease; the call counts. */
  leased(group: ChargeGroup): GroupAnswer | undefined {
    const passed = this.parts.leases ? this.leases.pass(group) : undefined;
    if (passed === undefined) return undefined;
    this.answered.lease += 1;
    if (passed.runsLow) this.renew(group);
    return passed;
  }

  /** Tells what passed, and asks for nothing else; whoever finds the lease used up meanwhile waits for the answer. */
  private renew(group: ChargeGroup): void {
    const key = this.leaseKeyOf(group);
    if (key === undefined || this.asking.has(key)) return;
    const charges = group.charges.map((charge) => ({ ...charge, cost: 0 }));
    void this.keepAsking(key, this.ask({ ...group, charges }, this.parts.clock.now() + this.parts.deadlineMs));
  }

  /** Who may pass by a lease waits for the one who asks for it now, instead of asking as well. */
  async consume(group: ChargeGroup): Promise<GroupAnswer> {
    const until = this.parts.clock.now() + this.parts.deadlineMs;
    // Who asks after waiting needs time for the asking.
    const patience = until - this.parts.deadlineMs / 2;
    const key = this.leaseKeyOf(group);
    if (key === undefined) return this.ask(group, until);
    for (let asking = this.asking.get(key); asking !== undefined; asking = this.asking.get(key)) {
      await asking;
      const answer = this.denied(group) ?? this.leased(group);
      if (answer !== undefined) return answer;
      if (this.parts.clock.now() >= patience) break;
    }
    return this.keepAsking(key, this.ask(group, until));
  }

  private keepAsking(key: string, answer: Promise<GroupAnswer>): Promise<GroupAnswer> {
    this.asking.set(key, answer);
    return answer.finally(() => {
      if (this.asking.get(key) === answer) this.asking.delete(key);
    });
  }

  private leaseKeyOf({ charges }: ChargeGroup): string | undefined {
    const leased = this.parts.leases && charges.every(({ leasable, cost }) => leasable && cost > 0);
    return leased ? charges[0]?.key : undefined;
  }

  /** Never rejects. */
  private async ask(group: ChargeGroup, until: Instant): Promise<GroupAnswer> {
    if (!this.breaker.allows()) return this.consumeShare(group);
    const owed = this.leases.owed(group);
    const leftMs = Math.max(1, until - this.parts.clock.now());
    try {
      const answer = await within(leftMs, this.shared.consume(group, owed));
      this.answered.redis += 1;
      this.breaker.succeeded();
      if (this.parts.leases) this.lease(group, owed, answer);
      if (!answer.taken) this.denials.note(group, answer);
      return answer;
    } catch (error) {
      this.leases.settled(group, owed);
      // Whoever waited for others first had little time left, which is not the fault of Redis.
      if (!(error instanceof LateAnswerError) || leftMs >= this.parts.deadlineMs / 3) this.breaker.failed(error);
      return this.consumeShare(group);
    }
  }

  forget(key: string): void {
    this.denials.forget(key);
  }

  /** Tells Redis what passed by leases, before its connection is closed. */
  async close(): Promise<void> {
    clearTimeout(this.settling);
    await this.settle(Number.POSITIVE_INFINITY);
    clearTimeout(this.settling);
  }

  private lease(group: ChargeGroup, owed: readonly number[] | undefined, answer: GroupAnswer): void {
    this.leases.settled(group, owed, answer);
    if (this.settling !== undefined || this.leases.isEmpty) return;
    this.settling = setTimeout(() => {
      this.settling = undefined;
      void this.settle(this.parts.clock.now());
    }, settleEveryMs).unref();
  }

  private async settle(now: number): Promise<void> {
    const over = this.leases.takeOver(now).map((charge) => this.consume({ charges: [{ ...charge, cost: 0 }] }));
    await Promise.all(over);
    if (this.leases.isEmpty || this.settling !== undefined || now === Number.POSITIVE_INFINITY) return;
    this.settling = setTimeout(() => {
      this.settling = undefined;
      void this.settle(this.parts.clock.now());
    }, settleEveryMs).unref();
  }

  /** Of a strict limit never more than the limit over all processes, which may be nothing; of the others at least 1. */
  private consumeShare({ charges }: ChargeGroup): GroupAnswer {
    this.answered.local += 1;
    const share = ({ rule, strict, ...charge }: Charge): Charge => {
      const limit = Math.max(strict ? 0 : 1, Math.floor(rule.limit / this.parts.nodes));
      return { ...charge, strict, rule: { ...rule, limit } };
    };
    const answer = { ...this.local.consume({ charges: charges.map(share) }), local: true } as const;
    return this.parts.nodes > 1 ? { ...answer, reduced: true } : answer;
  }
}

class LateAnswerError extends Error {
  override readonly name = 'LateAnswerError';
}

/** Where the event loop itself was late, an answer that has arrived meanwhile is read before time is called. */
async function within<T>(deadlineMs: number, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => setImmediate(() => reject(new LateAnswerError('no answer in time'))), deadlineMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
