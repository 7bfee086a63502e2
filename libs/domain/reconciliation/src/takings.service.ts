import { Injectable } from '@nestjs/common';
import type { Answer, Cache } from '#infra/cache';
import type { TenantContext } from '#infra/kernel';
import { figuresTimeoutMs, type ReadContext, type Sharding } from '#infra/sharding';
import { fail as refuse } from './reconciliation.errors.js';
import { demand } from './reconciliation.policy.js';
import { fail } from './takings.errors.js';
import { isLegalRange, type SourceTakings, type TakingsRange, takingsLimits, takingsOf } from './takings.js';
import { TakingsRepository } from './takings.repository.js';

/** Five minutes less what the cache may add, a tenth, and the 5 s that a replica may lag: a file may speak of any day. */
const ttlS = 268;

/** What a company took, by source and day. Read on a replica, and kept. */
@Injectable()
export class TakingsService {
  readonly #rows = new TakingsRepository();

  constructor(
    private readonly sharding: Sharding,
    private readonly cache: Cache,
  ) {}

  /** Whoever brings the consistency token of a write sees it in them. */
  async takings(ctx: TenantContext, range: TakingsRange): Promise<Answer<readonly SourceTakings[]>> {
    demand(ctx, 'takings.read');
    if (!isLegalRange(range)) throw fail('takings.range_invalid');
    const { from, to, sourceId = 'all' } = range;
    const load = (asker: TenantContext) => this.#load(asker, range);
    const key = `takings:1:${from}:${to}:${sourceId.toLowerCase()}`;
    const { value, ...origin } = await this.cache.read(ctx, 'analytics', key, load, { ttlS });
    if (!value) throw refuse('source.not_found');
    return { value, ...origin };
  }

  /** Undefined: there is no such source. */
  #load(ctx: TenantContext, range: TakingsRange): Promise<readonly SourceTakings[] | undefined> {
    const read = async (tx: ReadContext) => {
      const sources = await this.#rows.sources(tx, range);
      if (sources.length > takingsLimits.sources) throw fail('takings.too_many_sources');
      if (range.sourceId !== undefined && sources.length === 0) return undefined;
      const ids = sources.map(({ sourceId }) => sourceId);
      return takingsOf(sources, await this.#rows.days(tx, ids, range));
    };
    return this.sharding.read(ctx, read, { from: 'replica', statementTimeoutMs: figuresTimeoutMs });
  }
}
