import { defineErrors } from '#infra/kernel';

export const fail = defineErrors({
  'cache.key_invalid': { kind: 'internal', public: 'Something went wrong on our side.' },
});
