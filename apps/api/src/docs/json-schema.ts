import type { OpenAPIObject } from '@nestjs/swagger';
import { z } from 'zod';

type JsonSchema = z.core.JSONSchema.BaseSchema;
/** The document's schema objects, which are JSON Schema 2020-12 since OpenAPI 3.1. */
export type DocumentSchema = NonNullable<NonNullable<OpenAPIObject['components']>['schemas']>[string];

/** Formats say what these patterns repeat at length. */
const formatsThatSpeak = new Set(['uuid', 'date-time', 'date', 'email']);

/** JSON Schema of a zod schema, as it is sent (`input`) or as it is answered (`output`). */
export function jsonSchema(schema: unknown, io: 'input' | 'output'): DocumentSchema {
  const { $schema: _, ...converted } = z.toJSONSchema(schema as z.ZodType, {
    io,
    target: 'draft-2020-12',
    unrepresentable: 'any',
    override: ({ jsonSchema: made }) => shorten(made),
  });
  return converted as unknown as DocumentSchema;
}

function shorten(made: JsonSchema): void {
  if (made.format !== undefined && formatsThatSpeak.has(made.format)) delete made.pattern;
  if (made.maximum === Number.MAX_SAFE_INTEGER) delete made.maximum;
  if (made.minimum === Number.MIN_SAFE_INTEGER) delete made.minimum;
}

/** RFC 9457, with the members that every refusal has. */
export const problemSchema = jsonSchema(
  z.looseObject({
    type: z.string().meta({ description: 'names the code; the same for every occurrence' }),
    title: z.string().meta({ description: 'the status in words' }),
    status: z.int(),
    detail: z.string(),
    code: z.string().meta({ description: '<noun>.<what>, stable for ever' }),
    requestId: z.string().meta({ description: 'quote it to whoever runs the server' }),
    errors: z
      .array(z.object({ pointer: z.string(), detail: z.string() }))
      .optional()
      .meta({ description: 'where the input is wrong: RFC 6901 into the body, query/<name> or path/<name>' }),
  }),
  'output',
);
