import type { z } from 'zod';
import { freeTextIn, maxPayloadBytes } from './payload.js';
import { fail } from './queues.errors.js';

/** Queues of the product. `waits` queues run QUEUE_CONCURRENCY jobs at a time, `one` queues a single job per process. */
export const queues = {
  notifications: { concurrency: 'waits' },
  maintenance: { concurrency: 'one' },
  reconciliation: { concurrency: 'one' },
} as const;
export type QueueName = keyof typeof queues;
export const queueNames = Object.keys(queues) as readonly QueueName[];

/** A lower number goes first. */
export const priorities = { critical: 1, high: 5, normal: 10, low: 50 } as const;
export type Priority = keyof typeof priorities;

export const defaultAttempts = 5;
export const maxAttempts = 12;
const defaultTimeoutMs = 60_000;
const namePattern = /^[a-z]+\.[a-z_]+$/;
const permissionPattern = /^[a-z_]+\.[a-z_]+$/;

/** What `Outbox.append` takes: something to announce or to do, about one thing. */
export interface OutboxEntry {
  readonly kind: 'fact' | 'job';
  readonly name: string;
  /** What it is about, for order and fairness: usually the id of the thing. At most 200 characters. */
  readonly key: string;
  readonly payload: unknown;
}

export interface JobDefinition<Payload = unknown> {
  readonly kind: 'job';
  /** `<noun>.<verb>`, stable for ever: rows and Redis keep it. */
  readonly name: string;
  readonly queue: QueueName;
  readonly payload: z.ZodType<Payload>;
  readonly attempts: number;
  readonly priority: Priority;
  /** One attempt that runs longer is given up. */
  readonly timeoutMs: number;
  /** The entry to append, its payload checked by the compiler too. */
  entry(key: string, payload: Payload): OutboxEntry;
}

interface JobWords<Payload> {
  readonly name: string;
  readonly queue: QueueName;
  readonly payload: z.ZodType<Payload>;
  readonly attempts?: number;
  readonly priority?: Priority;
  readonly timeoutMs?: number;
}

/** Who is told of a fact: everybody of the tenant who may, or those who follow one thing. */
export type Room =
  | { readonly of: 'tenant' }
  | { readonly of: 'user' | 'location' | 'appointment'; readonly id: string };

export interface FactDefinition<Payload = unknown> {
  readonly kind: 'fact';
  /** `<noun>.<what happened>`, stable for ever. */
  readonly name: string;
  readonly payload: z.ZodType<Payload>;
  /** What a listener must be allowed to do to be told. */
  readonly permission: string;
  /** At least one. Somebody who is in several is told once. */
  rooms(payload: Payload): readonly Room[];
  entry(key: string, payload: Payload): OutboxEntry;
}

interface FactWords<Payload> {
  readonly name: string;
  readonly payload: z.ZodType<Payload>;
  readonly permission: string;
  readonly rooms: (payload: Payload) => readonly Room[];
}

/** Declares a piece of work to be done later. Throws at load where the declaration itself is wrong. */
export function defineJob<Payload>(words: JobWords<Payload>): JobDefinition<Payload> {
  const { name, attempts = defaultAttempts, priority = 'normal', timeoutMs = defaultTimeoutMs } = words;
  if (!Number.isInteger(attempts) || attempts < 1 || attempts > maxAttempts)
    throw fail('queues.incomplete', { internal: `${name}: attempts must be 1…${maxAttempts}` });
  checkWords(name, words.payload);
  const entry = (key: string, payload: Payload): OutboxEntry => ({ kind: 'job', name, key, payload });
  return { ...words, kind: 'job', attempts, priority, timeoutMs, entry };
}

/** Declares something that happened and is announced. Throws at load where the declaration itself is wrong. */
export function defineFact<Payload>(words: FactWords<Payload>): FactDefinition<Payload> {
  checkWords(words.name, words.payload);
  if (!permissionPattern.test(words.permission))
    throw fail('queues.incomplete', { internal: `${words.name}: a permission is <resource>.<action>` });
  const entry = (key: string, payload: Payload): OutboxEntry => ({ kind: 'fact', name: words.name, key, payload });
  return { ...words, kind: 'fact', entry };
}

function checkWords(name: string, payload: z.ZodType): void {
  if (!namePattern.test(name) || name.length > 100)
    throw fail('queues.incomplete', { internal: `${name}: a name is <noun>.<what>` });
  const free = freeTextIn(payload);
  if (free.length > 0)
    throw fail('queues.incomplete', { internal: `${name}: free text in the payload at ${free.join(', ')}` });
}

// biome-ignore lint/suspicious/noExplicitAny: a list of definitions whose payloads differ
export type AnyJob = JobDefinition<any>;
// biome-ignore lint/suspicious/noExplicitAny: a list of definitions whose payloads differ
export type AnyFact = FactDefinition<any>;

export interface CatalogueWords {
  readonly jobs?: readonly JobDefinition[];
  readonly facts?: readonly FactDefinition[];
}

/** Everything that may stand in an outbox. Closed when the process starts. */
export class Catalogue {
  readonly jobs: ReadonlyMap<string, JobDefinition>;
  readonly facts: ReadonlyMap<string, FactDefinition>;

  constructor(words: CatalogueWords) {
    this.jobs = byName(words.jobs ?? []);
    this.facts = byName(words.facts ?? []);
  }

  /** The entry's payload as its schema gives it back, as JSON. Throws outbox.not_catalogued or outbox.payload_refused. */
  payloadOf({ kind, name, payload }: OutboxEntry): string {
    const definition = kind === 'job' ? this.jobs.get(name) : this.facts.get(name);
    if (!definition) throw fail('outbox.not_catalogued', { internal: `${kind} ${name}` });
    const parsed = definition.payload.safeParse(payload);
    if (!parsed.success) {
      const where = parsed.error.issues.map((issue) => `/${issue.path.join('/')} ${issue.code}`).join(', ');
      throw fail('outbox.payload_refused', { internal: `${name}: ${where}` });
    }
    const json = JSON.stringify(parsed.data);
    if (Buffer.byteLength(json) > maxPayloadBytes)
      throw fail('outbox.payload_refused', { internal: `${name}: longer than ${maxPayloadBytes} bytes` });
    return json;
  }
}

function byName<Definition extends { readonly name: string }>(definitions: readonly Definition[]) {
  const map = new Map<string, Definition>();
  for (const definition of definitions) {
    if (map.has(definition.name)) throw fail('queues.incomplete', { internal: `${definition.name} is declared twice` });
    map.set(definition.name, definition);
  }
  return map as ReadonlyMap<string, Definition>;
}
