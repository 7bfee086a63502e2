import { setTimeout as sleep } from 'node:timers/promises';
import type { OnApplicationBootstrap } from '@nestjs/common';
import type { RedisConnections } from '#infra/redis';
import type { Sharding } from '#infra/sharding';
import type { Cache } from './cache.js';
import type { Warmed, WarmingNeeds } from './warming.js';

const redisReadyMaxMs = 1_000;
/** What is kept before others are heard stays for a second only: not worth loading. */
const hearsPolls = 50;
const hearsPollMs = 20;

interface WarmthParts {
  readonly cache: Cache;
  readonly sharding: Sharding;
  readonly redis: RedisConnections;
  readonly atStart: boolean;
}

/** Loads ahead for this process when it starts, and for all processes when a schedule asks for it. */
export class Warmth implements OnApplicationBootstrap {
  readonly #needs: WarmingNeeds;

  constructor(private readonly parts: WarmthParts) {
    const { sharding } = parts;
    this.#needs = {
      tenantOf: (id) => sharding.tenants.byId(id),
      poolShare: () => busiest(Object.values(sharding.poolCounts()).map(({ primary }) => primary)),
    };
  }

  async onApplicationBootstrap(): Promise<void> {
    const { atStart, cache, redis } = this.parts;
    if (!atStart || !cache.enabled || !(await redis.ready('cache', redisReadyMaxMs))) return;
    for (let n = 0; n < hearsPolls && !cache.hears; n += 1) await sleep(hearsPollMs);
    await cache.warming.boot(this.#needs);
  }

  /** As an operator asks for it. Skipped while more than half of a pool's connections are in use. */
  now(): Promise<Warmed> {
    return this.parts.cache.warming.now(this.#needs);
  }

  /** Skipped while more than half of a pool's connections are in use. */
  hourly(): Promise<Warmed> {
    return this.parts.cache.warming.hourly(this.#needs);
  }
}

type Pool = Readonly<Record<'max' | 'total' | 'idle', number>>;

/** The largest share of connections in use, over primaries. */
const busiest = (pools: readonly Pool[]): number =>
  Math.max(0, ...pools.map(({ max, total, idle }) => (max === 0 ? 0 : (total - idle) / max)));
