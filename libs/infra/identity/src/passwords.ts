import { randomBytes } from 'node:crypto';
import { hash, type Options, verify } from '@node-rs/argon2';
import { fail } from './identity.errors.js';
import { normalizePassword } from './password.js';

/** OWASP Password Storage Cheat Sheet, argon2id: m = 19 MiB, t = 2, p = 1. `Algorithm` is a const enum: 2 is argon2id. */
const cost = { algorithm: 2, memoryCost: 19_456, timeCost: 2, parallelism: 1 } as const satisfies Options;
const costPrefix = `$argon2id$v=19$m=${cost.memoryCost},t=${cost.timeCost},p=${cost.parallelism}$`;

/**
 * Hashes run on libuv's threads, of which there are 4: two stay free for files and name look-ups. A full queue is about
 * 4 s of work (17 ms a hash on one core).
 */
export const hashing = { atOnce: 2, waiting: 400 } as const;
const retryAfterMs = 1_000;

/** Hashes and checks passwords off the event loop, a few at a time; beyond the queue it refuses at once. */
export class Passwords {
  private running = 0;
  private readonly queue: (() => void)[] = [];
  /** What a password is compared with when there is no account: the same work, and nothing can match it. */
  private nobody: Promise<string> | undefined;

  constructor(private readonly limits: { readonly atOnce: number; readonly waiting: number } = hashing) {}

  hash(password: string): Promise<string> {
    return this.inTurn(() => hash(normalizePassword(password), cost));
  }

  /** True when the password is the account's; `stored` null takes as long and is false. */
  async matches(stored: string | null, password: string): Promise<boolean> {
    const against = stored ?? (await this.hashOfNobody());
    const same = await this.inTurn(() => verify(against, normalizePassword(password)));
    return same && stored !== null;
  }

  /** True when a stored hash was made with other parameters than today's. */
  isOutdated(stored: string): boolean {
    return !stored.startsWith(costPrefix);
  }

  private hashOfNobody(): Promise<string> {
    this.nobody ??= hash(randomBytes(32), cost);
    return this.nobody;
  }

  private async inTurn<T>(work: () => Promise<T>): Promise<T> {
    await this.turn();
    try {
      return await work();
    } finally {
      const next = this.queue.shift();
      if (next === undefined) this.running -= 1;
      else next();
    }
  }

  private turn(): Promise<void> {
    if (this.running < this.limits.atOnce) {
      this.running += 1;
      return Promise.resolve();
    }
    if (this.queue.length >= this.limits.waiting)
      throw fail('login.busy', {
        internal: 'too many passwords wait to be hashed',
        retryAfterMs,
      });
    return new Promise((resolve) => this.queue.push(resolve));
  }
}
