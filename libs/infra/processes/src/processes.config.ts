import { integer, slice, text, type Values, type Variable } from '#infra/config';
import { bytesOf } from './bytes.js';

/** `auto` leaves the number to the machine. */
export type Concurrency = number | 'auto';

const workersMax = 128;
const heapMinBytes = 32 * 2 ** 20;
const heapMaxBytes = 64 * 2 ** 30;

const concurrency: Variable<Concurrency> = {
  ...text('WEB_CONCURRENCY', {
    description:
      'worker processes of an app: 1 runs it alone, as in a container; n or auto (processors − 1, at most one per 2.5 GB) keeps that many behind one port',
  }),
  shape: `1…${workersMax} | auto`,
  default: 1,
  parse: (given) => {
    if (given === 'auto') return given;
    const n = Number(given);
    if (!Number.isInteger(n) || n < 1 || n > workersMax)
      throw new Error(`must be auto or a whole number from 1 to ${workersMax}`);
    return n;
  },
};

/** The text, such as `2GB`, so that it is documented as it is written; `bytesOf` reads it. */
const maxHeap: Variable<string> = {
  ...text('WORKER_MAX_HEAP', {
    description: 'heap of one process above which it is drained and replaced, when three checks in a row find it so',
    default: '2GB',
  }),
  shape: 'size 32MB…64GB',
  parse: (given) => {
    const bytes = bytesOf(given);
    if (bytes === undefined || bytes < heapMinBytes || bytes > heapMaxBytes)
      throw new Error('must be a size such as 512MB or 2GB, from 32MB to 64GB');
    return given;
  },
};

export const processesConfig = slice('Processes', {
  concurrency,
  maxHeap,
  maxRequests: integer('WORKER_MAX_REQUESTS', {
    description: 'requests (± 10 %) after which a process is drained and replaced; 0: never',
    default: 0,
    min: 0,
    max: 1_000_000_000,
  }),
  checkEveryMs: integer('WORKER_CHECK_INTERVAL', {
    description: 'time between two looks at the heap of a process',
    default: 5_000,
    min: 50,
    max: 600_000,
    unit: 'milliseconds',
  }),
  drainWaitMs: integer('DRAIN_WAIT', {
    description: 'time between a failing readiness and the end of accepting, for the load balancer to notice',
    default: 5_000,
    min: 0,
    max: 10_000,
    unit: 'milliseconds',
  }),
  agentPort: integer('AGENT_PORT', {
    description: 'where HAProxy’s agent-check asks this app how much it can take; 0: nowhere',
    default: 0,
    min: 0,
    max: 65_535,
  }),
  agentHost: text('AGENT_HOST', {
    description: 'address that the agent-check is answered on',
    default: '0.0.0.0',
  }),
});
export type ProcessesConfig = Values<(typeof processesConfig)['variables']>;
