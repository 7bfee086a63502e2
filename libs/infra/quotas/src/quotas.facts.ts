import { z } from 'zod';
import { defineFact } from '#infra/queues';
import { quotaLevels, quotaResources } from './quota.js';

/** What whoever hears of quotas, or reads them, must be allowed to do. */
export const quotasPermission = 'quotas.read';

/** So much of a limit is used now. Written by `consume_quota`, beside what was made. */
export const quotaReached = defineFact({
  name: 'quota.reached',
  payload: z.strictObject({
    resource: z.enum(quotaResources),
    level: z.literal(quotaLevels),
    used: z.int().min(0),
    limit: z.int().min(0),
  }),
  permission: quotasPermission,
  rooms: () => [{ of: 'tenant' }],
});

export const quotaFacts = [quotaReached] as const;
