import type pg from 'pg';
import { type Instant, monotonicMs } from '#infra/kernel';
import { maxUses, type PoolOptions, usualLifetimeS } from './pool-settings.js';

/** Why a connection was closed: not needed, at the end of its uses or its life, lost or in an unknown state, with the pool. */
export type ClosedBecause = 'idle' | 'uses' | 'lifetime' | 'broken' | 'end';

/** Hears what happens to a pool's connections. */
export interface PoolNews {
  /** Somebody got one, so long after asking. */
  acquired(waitedMs: number): void;
  opened(): void;
  closed(because: ClosedBecause): void;
}

/** A timer may fire this much before its time by the other clock. */
const timerSlackMs = 5;

interface Life {
  readonly since: Instant;
  uses: number;
  broken: boolean;
}

/** The open connections of a pool, and why each of them ends. */
export class ConnectionLives {
  readonly #lives = new Map<pg.Client, Life>();

  constructor(private readonly options: Pick<PoolOptions, 'maxLifetimeS'>) {}

  all(): Iterable<pg.Client> {
    return this.#lives.keys();
  }

  begin(client: pg.Client): void {
    this.#lives.set(client, { since: monotonicMs(), uses: 0, broken: false });
  }

  used(client: pg.Client): void {
    const life = this.#lives.get(client);
    if (life) life.uses += 1;
  }

  broke(client: pg.Client): void {
    const life = this.#lives.get(client);
    if (life) life.broken = true;
  }

  /** `poolEnds`: nobody wants any of them. */
  end(client: pg.Client, poolEnds: boolean): ClosedBecause {
    const life = this.#lives.get(client);
    this.#lives.delete(client);
    if (life === undefined || life.broken) return 'broken';
    if (life.uses >= maxUses) return 'uses';
    const lifetimeMs = (this.options.maxLifetimeS ?? usualLifetimeS) * 1_000;
    if (monotonicMs() - life.since >= lifetimeMs - timerSlackMs) return 'lifetime';
    return poolEnds ? 'end' : 'idle';
  }
}
