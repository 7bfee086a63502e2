import type { OpenAPIObject } from '@nestjs/swagger';
import { byteMediaTypes } from '../edge/byte-media.js';
import type { HandlerFacts } from '../edge/handlers.js';
import { titleOf } from '../edge/problem.js';
import { jsonSchema } from './json-schema.js';

type Operation = NonNullable<OpenAPIObject['paths'][string]['get']>;
type Parameter = NonNullable<Operation['parameters']>[number];
type Responses = Operation['responses'];

const problemStatuses = [400, 401, 403, 404, 408, 409, 412, 413, 415, 422, 428, 429, 500, 503, 504] as const;
type ProblemStatus = (typeof problemStatuses)[number];

const reference = (status: ProblemStatus) => ({ $ref: `#/components/responses/Problem${status}` });

/** One shared response per status, which the operations refer to. */
export const problemResponses = Object.fromEntries(
  problemStatuses.map((status) => [
    `Problem${status}`,
    {
      description: titleOf(status),
      content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
    },
  ]),
);

const idempotencyKey = (required: boolean): Parameter => ({
  name: 'Idempotency-Key',
  in: 'header',
  required,
  description: 'Your own name for this one call; sending it again within 24 hours gives the same answer once more.',
  schema: { type: 'string', minLength: 1, maxLength: 255 },
});

const ifMatch: Parameter = {
  name: 'If-Match',
  in: 'header',
  required: true,
  description: 'The ETag of the version that you read, such as "v3".',
  schema: { type: 'string', pattern: '^"v[1-9][0-9]*"$' },
};

/** Adds to what the framework found out what only the rule knows: who may, which headers, which refusals. */
export function describeOperation(path: string, operation: Operation, handler: HandlerFacts): Operation {
  const { rule } = handler;
  return {
    ...operation,
    summary: rule.summary,
    tags: [tagOf(path)],
    security: rule.permission === 'public' ? [] : [{ accessToken: [] }],
    parameters: [...(operation.parameters ?? []), ...headerParameters(handler)],
    ...requestBytes(handler),
    responses: { ...success(handler), ...refusals(operation, handler) },
    ...extensions(handler),
  };
}

function requestBytes({ rule: { receives, bodyLimitBytes } }: HandlerFacts): Pick<Operation, 'requestBody'> {
  if (receives === undefined) return {};
  const schema = { type: 'string', format: 'binary', maxLength: bodyLimitBytes ?? 0 };
  return { requestBody: { required: true, content: { [byteMediaTypes[receives]]: { schema } } } };
}

/** `/api/v1/<noun>/…` → `<noun>`. */
const tagOf = (path: string): string => /^\/api\/v1\/([^/]+)/.exec(path)?.[1] ?? 'operations';

const headerParameters = ({ rule, readsIfMatch }: HandlerFacts): Parameter[] => [
  ...(rule.idempotency === undefined ? [] : [idempotencyKey(rule.idempotency === 'required')]),
  ...(readsIfMatch ? [ifMatch] : []),
];

function success({ rule }: HandlerFacts): Responses {
  const description = rule.status === undefined ? 'OK' : titleOf(rule.status);
  if (rule.answers === null) return { [rule.status ?? 200]: { description } };
  const content = { 'application/json': { schema: jsonSchema(rule.answers, 'output') } };
  const known = rule.known === undefined ? {} : { 200: { description: rule.known, content } };
  return { [rule.status ?? 200]: { description, content }, ...known };
}

function refusals(operation: Operation, { rule, readsIfMatch }: HandlerFacts): Responses {
  const hasBody = operation.requestBody !== undefined || rule.receives !== undefined;
  const hasId = operation.parameters?.some((parameter) => 'in' in parameter && parameter.in === 'path') ?? false;
  const applies: Readonly<Record<ProblemStatus, boolean>> = {
    400: true,
    401: rule.permission !== 'public',
    403: rule.permission !== 'public',
    404: hasId || hasBody,
    408: hasBody,
    409: rule.idempotency !== undefined,
    412: readsIfMatch,
    413: hasBody,
    415: hasBody,
    422: true,
    428: readsIfMatch,
    429: rule.limit !== 'unlimited',
    500: true,
    503: true,
    504: true,
  };
  return Object.fromEntries(
    problemStatuses.filter((status) => applies[status]).map((status) => [status, reference(status)]),
  );
}

const extensions = ({ rule }: HandlerFacts) => ({
  'x-permission': rule.permission,
  'x-audit': rule.audit,
  'x-limit': rule.limit,
  ...(rule.refusals === undefined ? {} : { 'x-refusals': rule.refusals }),
});
