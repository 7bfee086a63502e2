import { Injectable } from '@nestjs/common';
import type { Answer, Cache } from '#infra/cache';
import type { Clock, TenantContext } from '#infra/kernel';
import { figuresTimeoutMs, type ReadContext, type Sharding } from '#infra/sharding';
import { localDateOf, minuteOfInstant } from '#infra/time';
import { fail } from './analytics.errors.js';
import { figuresOf, isLegalRange, isSettled, type VisitFigures, type VisitRange } from './analytics.js';
import { AnalyticsRepository } from './analytics.repository.js';
import { fail as refuse } from './appointments.errors.js';
import { demand } from './appointments.policy.js';
import type { LocationId } from './catalogue.js';
import { CatalogueRepository } from './catalogue.repository.js';

/** Five minutes less what the cache may add, a tenth, and the 5 s that a replica may lag. */
const changingTtlS = 268;

/** How a company's visits were, by day and by service. Read on a replica, and kept. */
@Injectable()
export class AnalyticsService {
  readonly #rows = new AnalyticsRepository();
  readonly #catalogue = new CatalogueRepository();

  constructor(
    private readonly sharding: Sharding,
    private readonly cache: Cache,
    private readonly clock: Clock,
  ) {}

  /** Whoever brings the consistency token of a write sees it in them. */
  async visits(ctx: TenantContext, range: VisitRange): Promise<Answer<VisitFigures>> {
    demand(ctx, 'analytics.read');
    if (!isLegalRange(range)) throw fail('analytics.range_invalid');
    const { from, to, locationId = 'all' } = range;
    const load = (asker: TenantContext) => this.#load(asker, range);
    const key = `visits:1:${from}:${to}:${locationId.toLowerCase()}`;
    const { value, ...origin } = await this.cache.read(ctx, 'analytics', key, load, this.#kept(range));
    if (!value) throw refuse('location.not_found');
    return { value, ...origin };
  }

  /** Undefined: there is no such location. */
  #load(ctx: TenantContext, range: VisitRange): Promise<VisitFigures | undefined> {
    const { locationId } = range;
    const read = async (tx: ReadContext) => {
      const isKnown = async (id: LocationId) => (await this.#catalogue.location(tx, id)) !== undefined;
      const [counted, known] = await Promise.all([
        this.#rows.visits(tx, range),
        locationId === undefined || isKnown(locationId),
      ]);
      return known ? figuresOf(counted) : undefined;
    };
    return this.sharding.read(ctx, read, { from: 'replica', statementTimeoutMs: figuresTimeoutMs });
  }

  #kept({ to }: VisitRange): { readonly ttlS?: number } {
    const today = localDateOf(minuteOfInstant(this.clock.now()), 'UTC');
    return isSettled(to, today) ? {} : { ttlS: changingTtlS };
  }
}
