import {
  type Identity,
  type InvitationId,
  type MailedKind,
  type PasswordResetId,
  sendInvitation,
  sendPasswordReset,
} from '#infra/identity';
import { isAppError, type TenantContext } from '#infra/kernel';
import { Postponed, type Processor, processorFor, type Work } from '#infra/queues';
import type { Mail, Mailer } from '../mail/mailer.js';

/** Mails of identity. The job's id is the mail's, so that one sent twice is recognisable as the same. */
export function letterProcessors(identity: Identity, mailer: Mailer): readonly Processor[] {
  const send = async (ctx: TenantContext, kind: MailedKind, id: string, work: Work): Promise<void> => {
    const letter = await identity.mail(ctx, kind, id as InvitationId | PasswordResetId);
    if (letter) await handOver(mailer, { id: work.id, ...letter }, work.signal);
  };
  return [
    processorFor(sendInvitation, (ctx, { invitationId }, work) => send(ctx, 'invitation', invitationId, work)),
    processorFor(sendPasswordReset, (ctx, { passwordResetId }, work) =>
      send(ctx, 'password_reset', passwordResetId, work),
    ),
  ];
}

/** While the mail server is left alone, nothing is held against the mail. */
async function handOver(mailer: Mailer, mail: Mail, signal: AbortSignal): Promise<void> {
  try {
    await mailer.send(mail, signal);
  } catch (error) {
    throw isAppError(error, 'mail.not_tried') ? new Postponed(error) : error;
  }
}
