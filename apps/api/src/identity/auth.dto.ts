import { z } from 'zod';
import { type Grant, type LoginGrant, roles } from '#infra/identity';
import type { SessionId, UserId } from '#infra/kernel';
import { emailAddress, idOf, line } from '../edge/index.js';

export const tenantSlug = z.string().regex(/^[a-z0-9][a-z0-9-]{1,62}$/);
/** Any text: what a password must be is judged by identity, with a code for each fault. */
const password = z
  .string()
  .min(1)
  .max(512)
  .refine((text) => text.isWellFormed(), { message: 'must be well-formed Unicode' });
const token = z.string().min(1).max(200);

const challengeToken = z
  .string()
  .min(1)
  .max(8_192)
  .regex(/^[!-~]+$/)
  .meta({ description: 'of a solved challenge, where auth.challenge_required asked for one' });

export const loginBody = z.strictObject({
  tenant: tenantSlug,
  email: emailAddress,
  password,
  challengeToken: challengeToken.optional(),
});
export const refreshBody = z.strictObject({ refreshToken: token });
export const acceptBody = z.strictObject({ token, password, displayName: line(120) });
export const resetBody = z.strictObject({ tenant: tenantSlug, email: emailAddress });
export const confirmBody = z.strictObject({ token, newPassword: password });

const grantFields = {
  accessToken: z.string(),
  tokenType: z.literal('Bearer'),
  /** Seconds. */
  expiresIn: z.int(),
  refreshToken: z.string(),
};
export const grantAnswer = z.strictObject(grantFields);
export const loginAnswer = z.strictObject({
  ...grantFields,
  sessionId: idOf<SessionId>('session'),
  user: z.strictObject({
    id: idOf<UserId>('user'),
    displayName: z.string(),
    roles: z.array(z.enum(roles)),
    permissions: z.array(z.string()),
  }),
});
export const joinedAnswer = z.strictObject({ tenant: tenantSlug, userId: idOf<UserId>('user') });

export const presentGrant = ({ accessToken, expiresInS, refreshToken }: Grant): z.output<typeof grantAnswer> => ({
  accessToken,
  tokenType: 'Bearer',
  expiresIn: expiresInS,
  refreshToken,
});

export const presentLogin = (grant: LoginGrant): z.output<typeof loginAnswer> => ({
  ...presentGrant(grant),
  sessionId: grant.sessionId,
  user: { ...grant.user, roles: [...grant.user.roles], permissions: [...grant.user.permissions] },
});
