import { type ArgumentMetadata, StandardSchemaValidationPipe } from '@nestjs/common';
import type { InputMistake } from '#infra/kernel';
import { fail } from './edge.errors.js';

type Schema = NonNullable<ArgumentMetadata['schema']>;
type Outcome = Awaited<ReturnType<Schema['~standard']['validate']>>;
type Issue = NonNullable<Outcome['issues']>[number] & { readonly code?: string; readonly keys?: readonly string[] };

/** Nest's Standard Schema pipe with our answer: 422 and JSON pointers to each mistake, never a value. */
export class SchemaPipe extends StandardSchemaValidationPipe {
  override async transform<T = unknown>(value: T, metadata: ArgumentMetadata): Promise<T> {
    const { schema } = metadata;
    if (schema === undefined) return value;
    const outcome = await this.validate(value, schema);
    if (outcome.issues !== undefined) throw fail('request.invalid', { mistakes: mistakesOf(outcome.issues, metadata) });
    return outcome.value as T;
  }
}

export const mistakesOf = (issues: readonly Issue[], metadata: Pick<ArgumentMetadata, 'type' | 'data'>) =>
  issues.map((issue): InputMistake => ({ pointer: pointerTo(issue, metadata), detail: detailOf(issue) }));

/** RFC 6901 into the body; `query/name` and `path/name` for the rest. */
function pointerTo(issue: Issue, { type, data }: Pick<ArgumentMetadata, 'type' | 'data'>): string {
  const segments = (issue.path ?? []).map((part) => escaped(typeof part === 'object' ? part.key : part));
  if (data !== undefined) segments.unshift(escaped(data));
  if (type === 'body') return segments.map((segment) => `/${segment}`).join('');
  return [type === 'param' ? 'path' : type, ...segments].join('/');
}

const escaped = (part: PropertyKey): string => String(part).replaceAll('~', '~0').replaceAll('/', '~1');

/** The names of unknown properties are the caller's own text, so only their number is said. */
function detailOf({ code, keys, message }: Issue): string {
  if (code !== 'unrecognized_keys') return message;
  return keys?.length === 1 ? 'has a property that is unknown here' : `has ${keys?.length} properties unknown here`;
}
