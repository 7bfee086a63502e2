export type { AccessClaims, TokenFault } from './access-token.js';
export { type AccessSubject, type AccessTokenOptions, AccessTokens } from './access-tokens.js';
export { type ChallengeConfig, challengeConfig } from './challenge.config.js';
export { createIdentity, type IdentityNeeds } from './create-identity.js';
export { identityQueries } from './hot-queries.js';
export { type IdentityConfig, identityConfig } from './identity.config.js';
export { identityJobs, sendInvitation, sendPasswordReset } from './identity.jobs.js';
export { Identity } from './identity.js';
export { IdentityModule } from './identity.module.js';
export { type Acceptance, Invitations, type Invite } from './invitations.js';
export type { Letter } from './letters.js';
export type { Credentials, Grant, LoginGrant } from './login.js';
export type { MailedKind } from './mailed-token.js';
export { passwordLength } from './password.js';
export { PasswordResets } from './password-resets.js';
export {
  type Permission,
  permissionsByRole,
  permissionsOf,
  type Role,
  roles,
  type StaffRole,
  staffRoles,
} from './roles.js';
export type { Session } from './session.js';
export { type Authenticated, Sessions } from './sessions.js';
export type { InvitationId, PasswordResetId, User, UserStatus } from './user.js';
export { type NewOwner, Users } from './users.js';
export type { UserKey } from './users.repository.js';
