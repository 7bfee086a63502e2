import { defineErrors } from '#infra/kernel';

export const fail = defineErrors({
  'gateway.draining': { kind: 'unavailable', public: 'This gateway is about to stop. Connect again.' },
  'socket.too_many': { kind: 'unavailable', public: 'There are too many connections. Try again in a moment.' },
  'socket.connects_too_fast': { kind: 'unavailable', public: 'Too many connect at this moment. Try again shortly.' },
  'socket.origin_refused': { kind: 'forbidden', public: 'Pages of this origin may not connect.' },
  'socket.token_in_url': { kind: 'unparsable', public: 'Send the token in the auth of the handshake, not in the URL.' },
  'socket.handshake_invalid': {
    kind: 'invalid',
    public: 'The auth of the handshake needs a token; lastSeq, where given, is a whole number.',
  },
  'socket.user_limit': { kind: 'limited', public: 'You have too many connections. Close one of them.' },
  'socket.command_invalid': { kind: 'invalid', public: 'This is not a command that the gateway knows.' },
  'socket.too_fast': { kind: 'limited', public: 'Too many messages on this connection. Slow down.' },
  'socket.flooding': { kind: 'limited', public: 'This connection went on sending after it was told to slow down.' },
  'socket.follow_limit': { kind: 'limited', public: 'A connection follows at most 100 locations and appointments.' },
  'socket.forbidden': { kind: 'forbidden', public: 'You may not do this.' },
  'socket.token_refused': { kind: 'unauthenticated', public: 'The access token is expired or not valid.' },
  'socket.token_expired': { kind: 'unauthenticated', public: 'The access token has expired. Connect with a new one.' },
  'socket.other_session': { kind: 'forbidden', public: 'The token belongs to another session. Connect anew with it.' },
  'socket.session_ended': { kind: 'unauthenticated', public: 'The session has ended; log in again.' },
  'socket.tenant_suspended': { kind: 'forbidden', public: 'This tenant is suspended.' },
  'socket.slow_consumer': { kind: 'limited', public: 'This connection did not read what was sent. Connect again.' },
  'socket.facts_unavailable': { kind: 'unavailable', public: 'Facts cannot be read at this moment. Connect again.' },
  'socket.failed': { kind: 'internal', public: 'Something went wrong on our side.' },
});

export type GatewayCode = keyof typeof fail.table;
