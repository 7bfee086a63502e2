import { z } from 'zod';
import { defineJob } from '#infra/queues';
import { catalogueTags } from './public-catalogue.js';

/**
 * No cache may show this part of the catalogue as it was. The process that made the change has said so already, unless it
 * ended or could not reach Redis between its commit and that.
 */
export const forgetCatalogue = defineJob({
  name: 'catalogue.forget_cached',
  queue: 'maintenance',
  priority: 'critical',
  payload: z.strictObject({ part: z.enum(catalogueTags) }),
});

export const appointmentJobs = [forgetCatalogue] as const;
