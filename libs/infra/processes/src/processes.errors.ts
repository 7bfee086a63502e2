import { defineErrors } from '#infra/kernel';

export const fail = defineErrors({
  'metrics.not_gathered': {
    kind: 'unavailable',
    public: 'The metrics of all processes could not be gathered in time.',
  },
});
