import { z } from 'zod';
import type { Id, Instant, UserId } from '#infra/kernel';
import type { Role } from './roles.js';

export type UserStatus = 'invited' | 'active' | 'disabled';
export type InvitationId = Id<'invitation'>;
export type PasswordResetId = Id<'password_reset'>;

/** What is sealed in one envelope: who it is. */
export const profileShape = z.strictObject({ email: z.string(), displayName: z.string() });
export type Profile = z.infer<typeof profileShape>;

export interface User extends Profile {
  readonly id: UserId;
  readonly status: UserStatus;
  readonly roles: readonly Role[];
  readonly version: number;
  readonly createdAt: Instant;
}

/** One spelling for one mailbox: compatibility forms folded, no outer space, lower case. */
export const normalizeEmail = (email: string): string => email.normalize('NFKC').trim().toLowerCase();
