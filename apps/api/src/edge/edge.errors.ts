import { defineErrors } from '#infra/kernel';

export const fail = defineErrors({
  'request.malformed': { kind: 'unparsable', public: 'The request cannot be parsed.' },
  'request.malformed_json': { kind: 'unparsable', public: 'The body is not valid JSON.' },
  'request.malformed_url': { kind: 'unparsable', public: 'The URL is not valid.' },
  'request.invalid': { kind: 'invalid', public: 'The request can be read, but parts of it are wrong; see errors.' },
  'request.headers_too_large': { kind: 'too_large', public: 'The headers are larger than this server takes.' },
  'request.too_large': { kind: 'too_large', public: 'The body is larger than this operation takes.' },
  'request.body_too_slow': { kind: 'too_slow', public: 'The body did not arrive in time.' },
  'request.broken_off': { kind: 'unparsable', public: 'The body ended before it was complete.' },
  'request.if_match_required': {
    kind: 'precondition_required',
    public: 'Send If-Match with the ETag of the version that you read.',
  },
  'request.if_match_malformed': { kind: 'unparsable', public: 'If-Match must be one strong ETag such as "v3".' },
  'idempotency.key_required': { kind: 'unparsable', public: 'Send an Idempotency-Key of your own making.' },
  'idempotency.key_malformed': {
    kind: 'unparsable',
    public: 'Idempotency-Key must be 1 to 255 visible ASCII characters.',
  },
  'idempotency.key_unused': { kind: 'internal', public: 'Something went wrong on our side.' },
  'route.not_found': { kind: 'not_found', public: 'There is nothing here.' },
  'access.login_required': { kind: 'unauthenticated', public: 'Log in to use this.' },
  'access.token_refused': { kind: 'unauthenticated', public: 'The access token is not valid; log in again.' },
  'access.denied': { kind: 'forbidden', public: 'Your role does not allow this.' },
  'service.overloaded': { kind: 'unavailable', public: 'The service is busy right now. Try again in a few seconds.' },
  'internal.unexpected': { kind: 'internal', public: 'Something went wrong on our side.' },
});
