import type { Schedule } from '#infra/queues';
import type { QuotaRecount } from '#infra/quotas';

const hourMs = 3_600_000;

/** Once a day, what there is against what quotas reckoned. */
export const quotaSchedule = (recount: QuotaRecount): Schedule => ({
  name: 'quotas.recount',
  everyMs: 24 * hourMs,
  timeoutMs: hourMs / 2,
  run: async (ctx) => {
    await recount.run(ctx);
  },
});
