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
export { type DeadJob, type DeadJobsPage, deadJobsMax, listDeadJobs } from './dead-jobs.js';
export { FactRelay } from './fact-relay.js';
export { type FactRow, FactsRepository } from './facts.repository.js';
export { JobRunner } from './job-runner.js';
export { Nudge, onNudge } from './nudge.js';
export { Outbox } from './outbox.js';
export { removeFinishedJobs, removePublishedFacts } from './outbox-sweep.js';
export { type Processor, processorFor, processorsOf, type Schedule, type Work } from './processor.js';
export { type FactSink, type PublishedFact, publishedFact } from './published-fact.js';
export { type QueuesConfig, queuesConfig } from './queues.config.js';
export { QueueMetrics } from './queues.metrics.js';
export { QueuesModule } from './queues.module.js';
export { Relay } from './relay.js';
export { failureCode, mayRetry, Postponed } from './retry.js';
export { Workers } from './workers.js';
