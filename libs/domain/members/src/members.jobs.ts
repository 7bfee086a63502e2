import { z } from 'zod';
import { defineJob } from '#infra/queues';

/**
 * No cache may show the member as it was. The process that made the change has said so already, unless it ended or could not
 * reach Redis between its commit and that.
 */
export const forgetMember = defineJob({
  name: 'member.forget_cached',
  queue: 'maintenance',
  priority: 'critical',
  payload: z.strictObject({ memberId: z.uuid() }),
});

export const memberJobs = [forgetMember] as const;
