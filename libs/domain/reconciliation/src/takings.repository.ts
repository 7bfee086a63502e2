import { MoneyOverflow } from '#infra/kernel';
import type { ReadContext } from '#infra/sharding';
import type { SourceId } from './source.js';
import { minorOf } from './statements.repository.js';
import { fail } from './takings.errors.js';
import { type SourceDay, type SourceTakings, type TakingsRange, takingsLimits } from './takings.js';

type StoredDay = Omit<SourceDay, 'sumMinor'> & { readonly sumMinor: string };

/** From the index alone. The sum is a numeric, which no day is too large for. */
const daysOf = `
  select source_id as "sourceId", business_date as date, currency, count(*)::int as records,
         sum(amount_minor)::text as "sumMinor"
    from recon_record
   where tenant_id = $1 and source_id = any($2::uuid[]) and business_date between $3::date and $4::date
   group by source_id, business_date, currency order by source_id, business_date, currency`;

const sourcesWhere = (more: string): string =>
  `select id as "sourceId", kind from recon_source where tenant_id = $1 ${more} order by id limit $2`;
const allSources = sourcesWhere('');
const oneSource = sourcesWhere('and id = $3');

/** Every statement that adds up what records say. */
export class TakingsRepository {
  /** Throws takings.sum_too_large. */
  async days(
    tx: ReadContext,
    sourceIds: readonly SourceId[],
    { from, to }: Pick<TakingsRange, 'from' | 'to'>,
  ): Promise<readonly SourceDay[]> {
    const rows = await tx.db.query<StoredDay>(daysOf, [tx.tenant.id, sourceIds, from, to]);
    return rows.map((row) => ({ ...row, sumMinor: safeMinorOf(row.sumMinor) }));
  }

  /** One more than there may be, where there are. */
  async sources(
    tx: ReadContext,
    { sourceId }: Pick<TakingsRange, 'sourceId'>,
  ): Promise<readonly Omit<SourceTakings, 'days'>[]> {
    const some = [tx.tenant.id, takingsLimits.sources + 1];
    return sourceId === undefined ? tx.db.query(allSources, some) : tx.db.query(oneSource, [...some, sourceId]);
  }
}

function safeMinorOf(sum: string): number {
  try {
    return minorOf(sum);
  } catch (error) {
    if (error instanceof MoneyOverflow) throw fail('takings.sum_too_large');
    throw error;
  }
}
