import { defineErrors } from '#infra/kernel';

export const fail = defineErrors({
  'audit.unavailable': {
    kind: 'unavailable',
    public: 'Access cannot be recorded right now, so nothing was shown. Try again in a moment.',
  },
});
