import { z } from 'zod';
import { newId } from '#infra/kernel';
import type { FactDefinition, OutboxEntry } from '#infra/queues';

interface JsonSchema {
  readonly type?: string;
  readonly format?: string;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly minimum?: number;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
}

/** A fact of this kind about things that nobody has heard of: a new id wherever its payload has one. */
export function anyFact({ payload, entry }: FactDefinition): OutboxEntry {
  return entry(newId(), sampleOf(z.toJSONSchema(payload, { io: 'input', reused: 'inline' }) as JsonSchema));
}

function sampleOf({ type, format, minimum, properties = {}, ...schema }: JsonSchema): unknown {
  if (schema.const !== undefined) return schema.const;
  if (schema.enum !== undefined) return schema.enum[0];
  if (type === 'object')
    return Object.fromEntries(Object.entries(properties).map(([name, of]) => [name, sampleOf(of)]));
  if (type === 'string' && format === 'uuid') return newId();
  if (type === 'integer' || type === 'number') return Math.max(1, minimum ?? 1);
  if (type === 'boolean') return true;
  throw new Error(`no sample for ${JSON.stringify({ type, format })}`);
}
