import { defineErrors } from '#infra/kernel';

export const fail = defineErrors({
  'credentials.wrong': { kind: 'unauthenticated', public: 'The tenant, the e-mail or the password is wrong.' },
  'login.locked': { kind: 'limited', public: 'Too many failed attempts for this account; try again later.' },
  'auth.challenge_required': {
    kind: 'forbidden',
    public: 'Too many failed attempts: solve the challenge, and log in with its token as challengeToken.',
  },
  'auth.challenge_failed': {
    kind: 'forbidden',
    public: 'The token of the challenge is not valid any more; solve a new one.',
  },
  'login.busy': { kind: 'unavailable', public: 'Too many people log in at this moment; try again shortly.' },
  'token.invalid': { kind: 'unauthenticated', public: 'The access token is missing, expired or not valid.' },
  'refresh_token.invalid': { kind: 'unauthenticated', public: 'The refresh token is not valid; log in again.' },
  'refresh_token.reused': {
    kind: 'unauthenticated',
    public: 'The refresh token had been used before: its session was ended. Log in again.',
  },
  'session.ended': { kind: 'unauthenticated', public: 'The session has ended; log in again.' },
  'session.unknown': { kind: 'not_found', public: 'There is no such session.' },
  'tenant.suspended': { kind: 'forbidden', public: 'This tenant is suspended.' },
  'password.too_short': { kind: 'invalid', public: 'A password has at least 12 characters.' },
  'password.too_long': { kind: 'invalid', public: 'A password has at most 128 characters.' },
  'password.guessable': {
    kind: 'invalid',
    public: 'This password is too easy to guess: avoid common words, runs, and your own or the clinic’s name.',
  },
  'invitation.invalid': { kind: 'invalid', public: 'This invitation is not valid.' },
  'invitation.expired': { kind: 'gone', public: 'This invitation has expired or was used or replaced.' },
  'password_reset.invalid': { kind: 'invalid', public: 'This link for a new password is not valid.' },
  'password_reset.expired': { kind: 'gone', public: 'This link for a new password has expired or was used.' },
  'user.unknown': { kind: 'not_found', public: 'There is no such user.' },
  'user.exists': { kind: 'conflict', public: 'A user with this e-mail already exists.' },
  'user.changed': { kind: 'precondition_failed', public: 'The user was changed meanwhile; read it again.' },
  'user.self_change': { kind: 'forbidden', public: 'Nobody changes their own roles or status.' },
  'user.owner_only': { kind: 'forbidden', public: 'Only an owner may give, change or end ownership.' },
  'user.last_owner': { kind: 'conflict', public: 'A tenant keeps at least one active owner.' },
  'user.not_joined': { kind: 'conflict', public: 'This user has not accepted the invitation yet.' },
});
