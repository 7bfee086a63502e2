import { isAppError, monotonicMs } from '#infra/kernel';
import { fail } from './sharding.errors.js';

/** How one database took part. */
export interface ShardOutcome {
  readonly id: string;
  readonly ok: boolean;
  readonly ms: number;
  /** Of ours, or a SQLSTATE; null where it answered. Never a message. */
  readonly error: string | null;
}

export interface FannedOut<T> {
  /** In the order in which the databases were named; without those that failed. */
  readonly data: readonly { readonly id: string; readonly value: T }[];
  readonly shards: readonly ShardOutcome[];
}

export interface FanOutOptions {
  /** Databases asked at a time; 8 unless said otherwise. */
  readonly concurrency?: number;
  /** Of each database; 3 s unless said otherwise. */
  readonly timeoutMs?: number;
  /** `fail`: the first failure is thrown, and no further database is asked. `partial` unless said otherwise. */
  readonly onError?: 'partial' | 'fail';
}

export const fanOutDefaults = { concurrency: 8, timeoutMs: 3_000 } as const;

/** Asks several databases the same. Each has its own time; one that fails is named and keeps nobody else's answer back. */
export async function fanOut<T>(
  ids: readonly string[],
  ask: (id: string) => Promise<T>,
  { concurrency = fanOutDefaults.concurrency, timeoutMs = fanOutDefaults.timeoutMs, onError }: FanOutOptions = {},
): Promise<FannedOut<T>> {
  const values = new Map<string, T>();
  const outcomes = new Map<string, ShardOutcome>();
  const waiting = [...ids];
  let failure: { readonly error: unknown } | undefined;
  const one = async (id: string): Promise<void> => {
    const startedAt = monotonicMs();
    const outcome = (error: string | null) => ({ id, ok: error === null, ms: monotonicMs() - startedAt, error });
    try {
      values.set(id, await inTime(ask(id), id, timeoutMs));
      outcomes.set(id, outcome(null));
    } catch (error) {
      outcomes.set(id, outcome(errorCode(error)));
      if (onError === 'fail') failure ??= { error };
    }
  };
  const asker = async (): Promise<void> => {
    for (let id = waiting.shift(); id !== undefined && !failure; id = waiting.shift()) await one(id);
  };
  await Promise.all(Array.from({ length: Math.min(concurrency, ids.length) }, asker));
  if (failure) throw failure.error;
  const data = ids.flatMap((id) => (outcomes.get(id)?.ok === true ? [{ id, value: values.get(id) as T }] : []));
  return { data, shards: ids.flatMap((id) => outcomes.get(id) ?? []) };
}

/** What is late goes on until its database cancels it; nobody waits for it any more. */
async function inTime<T>(answer: Promise<T>, id: string, timeoutMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(fail('database.timeout', { internal: `${id}: ${timeoutMs} ms` })), timeoutMs);
  });
  answer.catch(() => undefined);
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}

const sqlState = /^[0-9A-Z]{5}$/;

function errorCode(error: unknown): string {
  if (isAppError(error)) return error.code;
  const code = (error as { readonly code?: unknown } | null)?.code;
  return typeof code === 'string' && sqlState.test(code) ? code : 'unknown';
}
