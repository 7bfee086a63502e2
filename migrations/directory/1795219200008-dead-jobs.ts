import { deadJobsIndex } from '../query-care.js';

export class DeadJobs1795219200008 {
  readonly indexes = [deadJobsIndex];
}
