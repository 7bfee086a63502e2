import { defineErrors } from '#infra/kernel';

export const fail = defineErrors({
  'realtime.closed': { kind: 'unavailable', public: 'The service is restarting. Try again in a moment.' },
});
