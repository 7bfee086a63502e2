import { defineErrors } from '#infra/kernel';

export const fail = defineErrors({
  'provider.away': {
    kind: 'unavailable',
    public: 'A service that is needed for this does not answer right now. Try again later.',
  },
  'provider.slow': { kind: 'timeout', public: 'A service that is needed for this took too long to answer.' },
});
