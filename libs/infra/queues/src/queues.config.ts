import { integer, slice, type Values } from '#infra/config';

export const queuesConfig = slice('Queues', {
  concurrency: integer('QUEUE_CONCURRENCY', {
    min: 1,
    max: 1_000,
    default: 50,
    description: 'jobs that one worker process runs at a time from each queue that mostly waits for others',
  }),
  relayPollMs: integer('RELAY_POLL_MS', {
    min: 50,
    max: 60_000,
    unit: 'milliseconds',
    default: 1_000,
    description: 'longest time between two looks of the relay for new work; a nudge wakes it sooner',
  }),
  drainTimeoutMs: integer('QUEUE_DRAIN_TIMEOUT', {
    min: 100,
    max: 25_000,
    unit: 'milliseconds',
    default: 25_000,
    description: 'longest wait for running jobs when a worker stops; what is left is done again elsewhere',
  }),
});
export type QueuesConfig = Values<(typeof queuesConfig)['variables']>;
