import { deadJobsIndex } from '../query-care.js';

export class DeadJobs1795219200013 {
  readonly indexes = [deadJobsIndex];
}
