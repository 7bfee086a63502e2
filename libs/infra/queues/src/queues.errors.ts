import { defineErrors } from '#infra/kernel';

export const fail = defineErrors({
  'outbox.not_catalogued': { kind: 'internal', public: 'The request could not be completed.' },
  'outbox.payload_refused': { kind: 'internal', public: 'The request could not be completed.' },
  'job.payload_unreadable': { kind: 'invalid', public: 'The work cannot be read.' },
  'job.timed_out': { kind: 'timeout', public: 'The work took too long.' },
  'job.stalled': { kind: 'internal', public: 'The work stopped its worker too often.' },
  'job.failed': { kind: 'internal', public: 'The work failed.' },
  'jobs.page_invalid': { kind: 'invalid', public: 'This is no page of the list of jobs that were given up.' },
  'queues.incomplete': { kind: 'internal', public: 'The service is not ready.' },
  'queues.unavailable': { kind: 'unavailable', public: 'The service is busy. Try again in a moment.' },
});
