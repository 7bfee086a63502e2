import { defineErrors } from '#infra/kernel';

export const fail = defineErrors({
  'limit.exceeded': { kind: 'limited', public: 'Too many requests. Try again later.' },
});
