import { setTimeout as sleep } from 'node:timers/promises';
import { type Clock, newId, type Tenant, type TenantContext, type TenantId } from '#infra/kernel';
import type { Log } from '#infra/telemetry';
import type { Accesses } from './accesses.js';
import type { Obtained } from './loading.js';
import type { StrategyName } from './strategies.js';

/** Keys of one strategy that a round loads. */
export const wantedMax = 500;
/** Loads from the source start no faster, whatever they cost. */
export const loadsPerSecond = 50;
/** Longest round at the start of a process; the hourly one takes as long as its keys need. */
export const bootMaxMs = 10_000;
const roundMaxMs = 120_000;
const loadDeadlineMs = 2_000;
/** Above this share of connections in use, nothing is loaded ahead: those who wait come first. */
export const poolShareMax = 0.5;

export const warmerName = 'cache-warm';

/** How somebody reads what lies under names with this prefix: the very read that a request makes, cache and all. */
export interface Preparation {
  readonly strategy: StrategyName;
  readonly prefix: string;
  readonly read: (ctx: TenantContext, name: string) => Promise<Pick<Obtained, 'from'> | undefined>;
}

export interface WarmingNeeds {
  readonly tenantOf: (id: TenantId) => Promise<Tenant>;
  /** Connections in use as a share of those that may be. */
  readonly poolShare: () => number;
}

export interface Warmed {
  readonly skipped: boolean;
  readonly loaded: number;
  readonly failed: number;
}

interface Parts {
  readonly accesses: Accesses;
  readonly clock: Clock;
  readonly log: Log;
}

/** Loads ahead what was asked for most: what memory or Redis still has costs next to nothing. */
export class Warming {
  readonly #preparations: Preparation[] = [];

  constructor(private readonly parts: Parts) {}

  prepare(preparation: Preparation): void {
    this.#preparations.push(preparation);
  }

  /** At the start of a process: for ten seconds at most. */
  boot(needs: WarmingNeeds): Promise<Warmed> {
    return this.#round(needs, bootMaxMs);
  }

  /** When an operator asks, after Redis lost what it had: for all processes, and counts stay as they are. */
  now(needs: WarmingNeeds): Promise<Warmed> {
    return this.#round(needs, roundMaxMs);
  }

  /** Once an hour in one process: for all of them, by way of Redis. Older counts fade. */
  async hourly(needs: WarmingNeeds): Promise<Warmed> {
    const warmed = await this.#round(needs, roundMaxMs);
    if (!warmed.skipped) await this.parts.accesses.fade();
    return warmed;
  }

  async #round(needs: WarmingNeeds, maxMs: number): Promise<Warmed> {
    const { clock, log } = this.parts;
    const until = clock.now() + maxMs;
    const counted = { loaded: 0, failed: 0 };
    const strategies = new Set(this.#preparations.map(({ strategy }) => strategy));
    const lists = await Promise.all([...strategies].map((strategy) => this.#wanted(strategy)));
    let skipped = false;
    for (const reading of interleaved(lists)) {
      skipped = needs.poolShare() > poolShareMax;
      if (skipped || clock.now() >= until) break;
      const pause = sleep(1_000 / loadsPerSecond);
      const from = await this.#load(needs, reading);
      counted[from === 'nowhere' ? 'failed' : 'loaded'] += 1;
      if (from !== 'memory' && from !== 'redis') await pause;
    }
    log.info('cache.warmed', { count: counted.loaded, dropped: counted.failed, outcome: skipped ? 'skipped' : 'done' });
    return { ...counted, skipped };
  }

  async #wanted(strategy: StrategyName): Promise<readonly Reading[]> {
    const mine = this.#preparations.filter((each) => each.strategy === strategy);
    const wanted = await this.parts.accesses.mostWanted(strategy, wantedMax);
    return wanted.flatMap(({ tenantId, name }) => {
      const preparation = mine.find(({ prefix }) => name.startsWith(prefix));
      return preparation ? [{ preparation, tenantId, name }] : [];
    });
  }

  async #load({ tenantOf }: WarmingNeeds, { preparation, tenantId, name }: Reading) {
    try {
      const { id, plan } = await tenantOf(tenantId);
      return (await preparation.read(this.#context({ id, plan }), name))?.from ?? 'nowhere';
    } catch {
      // A tenant that left, a shard that is away: whoever asks for it is told.
      return 'nowhere';
    }
  }

  #context(tenant: Tenant): TenantContext {
    const actor = { kind: 'system', name: warmerName } as const;
    return { requestId: newId(), actor, tenant, deadline: this.parts.clock.now() + loadDeadlineMs };
  }
}

interface Reading {
  readonly preparation: Preparation;
  readonly tenantId: TenantId;
  readonly name: string;
}

/** The first of each, then the second of each: a round that is cut short is fair. */
function* interleaved<T>(lists: readonly (readonly T[])[]): Generator<T> {
  for (let n = 0; n < wantedMax; n += 1)
    for (const list of lists) {
      const item = list[n];
      if (item !== undefined) yield item;
    }
}
