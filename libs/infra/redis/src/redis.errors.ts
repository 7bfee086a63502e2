import { defineErrors } from '#infra/kernel';

export const fail = defineErrors({
  'redis.unreachable': { kind: 'unavailable', public: 'The service is busy. Try again in a moment.' },
  'redis.queue_evicts': { kind: 'internal', public: 'Something went wrong on our side.' },
  'redis.closed': { kind: 'unavailable', public: 'The service is restarting. Try again in a moment.' },
});
