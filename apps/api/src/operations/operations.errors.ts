import { defineErrors } from '#infra/kernel';

export const fail = defineErrors({
  'company.unknown': { kind: 'not_found', public: 'There is no such company.' },
});
