import { randomUUID } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { Clock, Instant } from '#infra/kernel';
import type { RedisConnection, RedisConnections } from '#infra/redis';
import type { Log } from '#infra/telemetry';

const channel = 'c1:forget';
const beatMs = 500;
/** After this long without our own beat nobody can tell what we missed. */
export const silenceMaxMs = 1_000;
const publishersMax = 1_000;
const messageMaxChars = 1_024;
/** What is forgotten lies under a tenant; anything else in the channel is none of ours. */
const scopeForm = /^c1:\{t:[0-9a-f-]{36}\}[:#]/;

/** `n` counts the forgettings of process `from`; a beat repeats the newest number and names no key. */
interface Message {
  readonly from: string;
  readonly n: number;
  readonly key?: string;
}

/**
 * Tells all processes which keys to drop from memory: keys, never values. Messages are numbered and every process beats
 * twice a second, so that a lost message is noticed by the next beat. `epoch` grows when something was missed: what was
 * put into memory before then counts no more.
 */
export class Bus {
  readonly #id = randomUUID();
  readonly #numbers = new LRUCache<string, number>({ max: publishersMax });
  #subscriber: RedisConnection | undefined;
  #timer: NodeJS.Timeout | undefined;
  #sent = 0;
  #heardAt: Instant = Number.NEGATIVE_INFINITY;
  #hears = false;
  #epoch = 0;

  constructor(
    private readonly redis: RedisConnections,
    private readonly clock: Clock,
    private readonly log: Log,
    private readonly onForget: (key: string) => void,
  ) {}

  start(onBeat: () => void): void {
    if (this.#timer !== undefined) return;
    const subscriber = this.redis.open('cache');
    this.#subscriber = subscriber;
    subscriber.on('message', (_channel: string, text: string) => this.#hear(text));
    subscriber.on('ready', () => void this.#subscribe());
    this.#timer = setInterval(() => {
      if (!this.hears) void this.#subscribe();
      void this.#publish();
      onBeat();
    }, beatMs);
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#subscriber?.disconnect();
  }

  /** False while messages of other processes may be lost: at the start, and while Redis cannot be reached. */
  get hears(): boolean {
    this.#notice();
    return this.#hears;
  }

  get epoch(): number {
    this.#notice();
    return this.#epoch;
  }

  /** Where it does not arrive, the next beat that does shows that a number is missing. Never throws. */
  forget(key: string): Promise<void> {
    this.#sent += 1;
    return this.#publish(key);
  }

  async #subscribe(): Promise<void> {
    try {
      await this.#subscriber?.subscribe(channel);
      await this.#publish();
    } catch {
      // The next beat tries again.
    }
  }

  async #publish(key?: string): Promise<void> {
    const message: Message = { from: this.#id, n: this.#sent, ...(key === undefined ? {} : { key }) };
    try {
      await this.redis.get('cache').publish(channel, JSON.stringify(message));
    } catch {
      // Redis is away: nobody hears anything, and everybody knows it within a second.
    }
  }

  #hear(text: string): void {
    const message = parse(text);
    if (message === undefined) return;
    if (message.from === this.#id) this.#heardOwn();
    else this.#follow(message);
  }

  #follow(message: Message): void {
    if (message.key !== undefined) this.onForget(message.key);
    const known = this.#numbers.get(message.from) ?? 0;
    const expected = message.key === undefined ? known : known + 1;
    if (message.n > expected) this.#epoch += 1;
    this.#numbers.set(message.from, Math.max(known, message.n));
  }

  #notice(): void {
    if (this.#hears && this.clock.now() - this.#heardAt > silenceMaxMs) this.#turn(false);
  }

  #heardOwn(): void {
    if (!this.hears) this.#turn(true);
    this.#heardAt = this.clock.now();
  }

  #turn(hears: boolean): void {
    this.#hears = hears;
    this.#epoch += 1;
    this.log[hears ? 'info' : 'warn']('cache.bus_changed', { component: 'cache', state: hears ? 'hearing' : 'silent' });
  }
}

function parse(text: string): Message | undefined {
  if (text.length > messageMaxChars) return undefined;
  try {
    const { from, n, key } = JSON.parse(text) as Partial<Message>;
    if (typeof from !== 'string' || typeof n !== 'number') return undefined;
    if (key === undefined) return { from, n };
    return typeof key === 'string' && scopeForm.test(key) ? { from, n, key } : undefined;
  } catch {
    return undefined;
  }
}
