import type { FastifyRequest } from 'fastify';
import type { InputMistake } from '#infra/kernel';
import { fail } from './edge.errors.js';
import type { Input, Schema, Takes } from './handler-parameters.js';
import { settled } from './settled.js';

type Outcome = Awaited<ReturnType<Schema['~standard']['validate']>>;
type Issue = NonNullable<Outcome['issues']>[number] & { readonly code?: string; readonly keys?: readonly string[] };
type Place = Pick<Input, 'source' | 'name'>;

/**
 * Puts what the schemas make of body, query and path in their place, or refuses: 422 and JSON pointers to each mistake, never a
 * value. A hook, because Nest's pipes make a request wait for several promises.
 */
export function readInputs({ inputs, pageSize }: Takes) {
  return settled((request) => {
    if (pageSize !== undefined) request.asked = askedBy(request);
    for (const input of inputs) {
      const outcome = input.schema['~standard'].validate(given(request, input));
      if (outcome instanceof Promise) throw new TypeError('schemas of inputs must answer at once');
      if (outcome.issues !== undefined) throw fail('request.invalid', { mistakes: mistakesOf(outcome.issues, input) });
      put(request, input, outcome.value);
    }
  });
}

/** What a caller of a list sent, which its cursors are bound to. */
export interface Asked {
  readonly query: unknown;
  readonly path: unknown;
  readonly body: unknown;
}

const askedBy = ({ query, params, body }: FastifyRequest): Asked => ({ query, path: { ...(params as object) }, body });

type Members = Record<string, unknown>;

function given(request: FastifyRequest, { source, name }: Place): unknown {
  const whole = source === 'body' ? request.body : source === 'query' ? request.query : request.params;
  return name === undefined ? whole : (whole as Members | undefined)?.[name];
}

function put(request: FastifyRequest, { source, name }: Place, value: unknown): void {
  if (name !== undefined) (given(request, { source }) as Members)[name] = value;
  else if (source === 'body') request.body = value;
  else if (source === 'query') request.query = value;
  else request.params = value;
}

const mistakesOf = (issues: readonly Issue[], place: Place) =>
  issues.map((issue): InputMistake => ({ pointer: pointerTo(issue, place), detail: detailOf(issue) }));

/** RFC 6901 into the body; `query/name` and `path/name` for the rest. */
function pointerTo(issue: Issue, { source, name }: Place): string {
  const segments = (issue.path ?? []).map((part) => escaped(typeof part === 'object' ? part.key : part));
  if (name !== undefined) segments.unshift(escaped(name));
  if (source === 'body') return segments.map((segment) => `/${segment}`).join('');
  return [source, ...segments].join('/');
}

const escaped = (part: PropertyKey): string => String(part).replaceAll('~', '~0').replaceAll('/', '~1');

/** The names of unknown properties are the caller's own text, so only their number is said. */
function detailOf({ code, keys, message }: Issue): string {
  if (code !== 'unrecognized_keys') return message;
  return keys?.length === 1 ? 'has a property that is unknown here' : `has ${keys?.length} properties unknown here`;
}
