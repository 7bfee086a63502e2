import { v7, validate } from 'uuid';
import { systemClock } from './clock.js';

declare const brand: unique symbol;
/** A uuid that only code speaking of the same noun accepts. Ids are UUIDv7 made by the app: sortable, never secrets. */
export type Id<Noun extends string> = string & { readonly [brand]: Noun };

export type TenantId = Id<'tenant'>;
export type UserId = Id<'user'>;
export type SessionId = Id<'session'>;

/** A fresh UUIDv7 (RFC 9562); milliseconds come from the process's clock and order ids roughly by creation. */
export function newId<T extends string>(): T {
  const random = nextRandom();
  const now = systemClock.now();
  if (now > order.msecs) {
    order.msecs = now;
    order.seq = new DataView(random.buffer, random.byteOffset).getInt32(0);
  } else {
    order.seq = (order.seq + 1) | 0;
    if (order.seq === 0) order.msecs += 1;
  }
  return v7({ random, ...order }) as T;
}

/** Ids of one process ascend: a counter (RFC 9562, 6.2, method 1) tells those of one millisecond apart. */
const order = { msecs: Number.NEGATIVE_INFINITY, seq: 0 };

const randomBytes = 16;
/** Asking for randomness costs the same for one id as for many. */
const pool = new Uint8Array(256 * randomBytes);
let used = pool.length;

/** Each byte is given once. */
function nextRandom(): Uint8Array {
  if (used === pool.length) {
    crypto.getRandomValues(pool);
    used = 0;
  }
  used += randomBytes;
  return pool.subarray(used - randomBytes, used);
}

/** True for any uuid in its canonical text form. */
export const isId = (text: string): boolean => validate(text);
