import { defineErrors } from '#infra/kernel';
import { takingsLimits } from './takings.js';

export const fail = defineErrors({
  'takings.range_invalid': { kind: 'invalid', public: 'from must not lie after to, and the range may span 366 days.' },
  'takings.too_many_sources': {
    kind: 'invalid',
    public: `There are more than ${takingsLimits.sources} sources; say which one.`,
  },
  'takings.sum_too_large': { kind: 'invalid', public: 'A day’s sum is more than 2^53−1 minor units.' },
});
