import { defineErrors } from '#infra/kernel';

export const fail = defineErrors({
  'limit.exceeded': { kind: 'limited', public: 'Too many requests. Try again later.' },
  'limit.reduced': { kind: 'limited', public: 'Less can be served than usual for the moment. Try again later.' },
  'limit.blocked': { kind: 'limited', public: 'Limits were exceeded again and again; nothing is served for a while.' },
  'limit.denied': { kind: 'forbidden', public: 'Your role does not allow this.' },
  'limit.unknown': { kind: 'not_found', public: 'There is no such block, or it is not yours to lift.' },
  'limit.away': { kind: 'unavailable', public: 'Blocks cannot be looked at right now. Try again later.' },
  'network.taken': { kind: 'conflict', public: 'This network is listed already.' },
  'network.unknown': { kind: 'not_found', public: 'There is no such network.' },
  'network.too_wide': {
    kind: 'invalid',
    public: 'A network of one’s own has at most 256 addresses, or a /48 of IPv6.',
  },
  'network.too_many': { kind: 'conflict', public: 'There are as many networks as a tenant may list.' },
});
