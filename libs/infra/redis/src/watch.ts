import { Cluster } from 'ioredis';
import type { Log } from '#infra/telemetry';
import type { RedisConnection } from './connect.js';

/**
 * First word of a refusal by Redis, such as WRONGPASS or READONLY; the rest of its text may repeat arguments. A cluster
 * that could ask none of its nodes says what the last one said.
 */
function refusal(error: unknown): string | undefined {
  const told = error instanceof Error && 'lastNodeError' in error ? error.lastNodeError : error;
  return told instanceof Error ? /^[A-Z]{3,20}(?= )/.exec(told.message)?.[0] : undefined;
}

/**
 * Handles every `error` of a connection and writes one line each time that it comes up or goes down, but
 * not when we close it: since retries never end, only that brings it to `end`.
 */
export function watch(connection: RedisConnection, log: Log): void {
  let state: 'connecting' | 'up' | 'down' = 'connecting';
  const down = (error?: unknown) => {
    if (state === 'down') return;
    log.warn('redis.state_changed', { from: state, to: 'down', reason: refusal(error), error });
    state = 'down';
  };
  connection.on('ready', () => {
    if (state !== 'up') log.info('redis.state_changed', { from: state, to: 'up' });
    state = 'up';
  });
  connection.on('error', (error: unknown) => {
    // A cluster that is ready reports a subscriber that one of its nodes has lost; the others serve on.
    if (!(connection instanceof Cluster && connection.status === 'ready')) down(error);
  });
  connection.on('close', () => {
    if (connection.status !== 'end') down();
  });
}
