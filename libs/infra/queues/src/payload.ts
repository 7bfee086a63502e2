import { z } from 'zod';

/** A payload as JSON; longer ones are refused. */
export const maxPayloadBytes = 4_096;

interface JsonSchema {
  readonly type?: string;
  readonly format?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly items?: JsonSchema;
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
  readonly allOf?: readonly JsonSchema[];
}

const idLikeFormats = new Set(['uuid', 'date-time', 'date', 'time']);

/**
 * Paths of a payload schema where free text could stand. Payloads carry ids, instants, numbers and words of closed
 * lists; whoever works on them reads the rest from the tenant's own rows.
 */
export function freeTextIn(schema: z.ZodType): readonly string[] {
  const json = z.toJSONSchema(schema, { unrepresentable: 'any', io: 'input', reused: 'inline' }) as JsonSchema;
  return freePaths(json, '');
}

function freePaths(schema: JsonSchema, path: string): string[] {
  if (schema.const !== undefined || schema.enum !== undefined) return [];
  const parts = [...(schema.anyOf ?? []), ...(schema.oneOf ?? []), ...(schema.allOf ?? [])];
  if (parts.length > 0) return parts.flatMap((part) => freePaths(part, path));
  switch (schema.type) {
    case 'number':
    case 'integer':
    case 'boolean':
    case 'null':
      return [];
    case 'string':
      return idLikeFormats.has(schema.format ?? '') ? [] : [path || '/'];
    case 'array':
      return freePaths(schema.items ?? {}, `${path}/*`);
    case 'object':
      return schema.properties
        ? Object.entries(schema.properties).flatMap(([name, inner]) => freePaths(inner, `${path}/${name}`))
        : [path || '/'];
    default:
      return [path || '/'];
  }
}
