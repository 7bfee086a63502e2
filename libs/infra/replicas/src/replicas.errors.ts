import { defineErrors } from '#infra/kernel';

export const fail = defineErrors({
  'database.pool_exhausted': { kind: 'unavailable', public: 'The service is busy. Try again in a moment.' },
  'database.unreachable': { kind: 'unavailable', public: 'The data of this organisation cannot be reached right now.' },
});
