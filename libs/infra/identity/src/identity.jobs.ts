import { z } from 'zod';
import { defineJob } from '#infra/queues';

/** Payloads carry ids only: whoever sends the mail asks `Identity.mail` for address and text. */
export const sendInvitation = defineJob({
  name: 'identity.send_invitation',
  queue: 'notifications',
  payload: z.strictObject({ invitationId: z.uuid() }),
});

export const sendPasswordReset = defineJob({
  name: 'identity.send_password_reset',
  queue: 'notifications',
  priority: 'high',
  payload: z.strictObject({ passwordResetId: z.uuid() }),
});

export const identityJobs = [sendInvitation, sendPasswordReset] as const;
