import { fail } from './queues.errors.js';

/** While a batch waits for Redis its transaction is open; longer is not worth it. */
const redisTimeoutMs = 5_000;

/** Commands to the queues wait for Redis as long as it takes; relays do not. Throws queues.unavailable. */
export function inTime<T>(work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(fail('queues.unavailable')), redisTimeoutMs);
    work.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
