import { z } from 'zod';
import { type InvitationId, roles, staffRoles, type User } from '#infra/identity';
import { type UserId } from '#infra/kernel';
import { emailAddress, idOf, instantText, listQuery, pageOf, utcText, versionNumber } from '../edge/index.js';

/** Each role once, at least one. */
const someRoles = z
  .array(z.enum(staffRoles))
  .min(1)
  .max(staffRoles.length)
  .refine((given) => new Set(given).size === given.length, { message: 'must name each role once' });

export const usersQuery = listQuery({});
export const inviteBody = z.strictObject({ email: emailAddress, roles: someRoles });
export const rolesBody = z.strictObject({ roles: someRoles });

export const userAnswer = z.strictObject({
  id: idOf<UserId>('user'),
  email: z.string(),
  /** Empty until the invitation is accepted. */
  displayName: z.string(),
  status: z.enum(['invited', 'active', 'disabled']),
  roles: z.array(z.enum(roles)),
  version: versionNumber,
  createdAt: instantText,
});
export const usersAnswer = pageOf(userAnswer);
export const invitedAnswer = z.strictObject({
  userId: idOf<UserId>('user'),
  invitationId: idOf<InvitationId>('invitation'),
});

export const presentUser = (user: User): z.output<typeof userAnswer> => ({
  id: user.id,
  email: user.email,
  displayName: user.displayName,
  status: user.status,
  roles: [...user.roles],
  version: user.version,
  createdAt: utcText(user.createdAt),
});
