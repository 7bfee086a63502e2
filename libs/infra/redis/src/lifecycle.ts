import { Cluster } from 'ioredis';
import { monotonicMs } from '#infra/kernel';
import type { RedisConnection } from './connect.js';

const endTimeoutMs = 1_000;

export type Settled<T> =
  | { readonly status: 'fulfilled'; readonly value: T }
  | { readonly status: 'failed'; readonly reason?: unknown };

/** What became of a promise within a time; a late failure is taken care of. Never rejects. */
export async function settledWithin<T>(promise: Promise<T>, timeoutMs: number): Promise<Settled<T>> {
  let timer: NodeJS.Timeout | undefined;
  const expiry = new Promise<Settled<T>>((resolve) => {
    timer = setTimeout(() => resolve({ status: 'failed' }), timeoutMs);
  });
  const outcome = promise.then<Settled<T>, Settled<T>>(
    (value) => ({ status: 'fulfilled', value }),
    (reason) => ({ status: 'failed', reason }),
  );
  try {
    return await Promise.race([outcome, expiry]);
  } finally {
    clearTimeout(timer);
  }
}

/** A connection, or that to one node of a cluster. */
interface Connecting {
  readonly status: string;
  on(event: string, listener: () => void): unknown;
  off(event: string, listener: () => void): unknown;
}

/** Of a cluster: once every primary is connected to or known to be away, if one is there. */
export async function waitUntilReady(connection: RedisConnection, timeoutMs: number): Promise<boolean> {
  const startedAt = monotonicMs();
  if (!(await becomesReady(connection, timeoutMs))) return false;
  if (!(connection instanceof Cluster)) return true;
  const leftMs = timeoutMs - (monotonicMs() - startedAt);
  const primaries = await Promise.all(connection.nodes('master').map((node) => becomesReady(node, leftMs)));
  return primaries.includes(true);
}

function becomesReady(connection: Connecting, timeoutMs: number): Promise<boolean> {
  if (connection.status === 'ready') return Promise.resolve(true);
  return new Promise((resolve) => {
    const finish = (ready: boolean) => {
      clearTimeout(timer);
      connection.off('ready', onReady);
      connection.off('end', onEnd);
      resolve(ready);
    };
    const onReady = () => finish(true);
    const onEnd = () => finish(false);
    const timer = setTimeout(() => finish(false), timeoutMs);
    connection.on('ready', onReady);
    connection.on('end', onEnd);
  });
}

/** QUIT where the server listens, for at most a second; then the socket is closed and nothing reconnects. */
export async function end(connection: RedisConnection): Promise<void> {
  if (connection.status === 'end') return;
  if (connection.status === 'ready') await settledWithin(connection.quit(), endTimeoutMs);
  connection.disconnect();
}
