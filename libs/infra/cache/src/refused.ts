import type { Audit } from '#infra/audit';
import type { Clock, TenantContext } from '#infra/kernel';
import type { Log } from '#infra/telemetry';
import type { CacheKey } from './key.js';
import type { RedisTier } from './redis-tier.js';

const auditDeadlineMs = 5_000;

interface Parts {
  readonly audit: Pick<Audit, 'recordRead'>;
  readonly log: Log;
  readonly clock: Clock;
  readonly redis: RedisTier;
}

/** What somebody put into Redis leaves it at once, and the tenant's audit says so. */
export async function removeRefused(
  { audit, log, clock, redis }: Parts,
  asked: TenantContext,
  { text, strategy, tenantId }: CacheKey,
): Promise<void> {
  log.error('cache.entry_refused', {
    strategy,
    tenantId,
    hint: 'a value in Redis was changed, moved or is not ours',
  });
  const actor = { kind: 'system', name: 'cache' } as const;
  const ctx: TenantContext = { ...asked, actor, deadline: clock.now() + auditDeadlineMs };
  const event = { action: 'cache.refused', resourceType: 'cache', outcome: 'failure' } as const;
  const recorded = audit
    .recordRead(ctx, event)
    .catch((error: unknown) => log.error('cache.unaudited', { strategy, error }));
  await Promise.all([redis.remove(text), recorded]);
}
