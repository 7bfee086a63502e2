import { defineErrors } from '#infra/kernel';

export const fail = defineErrors({
  'analytics.range_invalid': {
    kind: 'invalid',
    public: 'from must not lie after to, and the range may span 366 days.',
  },
});
