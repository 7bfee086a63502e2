export { BullQueues } from './bull-queues.js';
export {
  Catalogue,
  type CatalogueWords,
  defineFact,
  defineJob,
  type FactDefinition,
  type JobDefinition,
  type OutboxEntry,
  type Priority,
  type QueueName,
  type Room,
} from './catalogue.js';
export { JobRunner } from './job-runner.js';
export { Nudge, onNudge } from './nudge.js';
export { Outbox } from './outbox.js';
export { removeFinishedJobs } from './outbox-sweep.js';
export { type Processor, processorFor, processorsOf, type Schedule, type Work } from './processor.js';
export { type QueuesConfig, queuesConfig } from './queues.config.js';
export { QueueMetrics } from './queues.metrics.js';
export { QueuesModule } from './queues.module.js';
export { Relay } from './relay.js';
export { Workers } from './workers.js';
