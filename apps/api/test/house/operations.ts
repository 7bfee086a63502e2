import type { Api, Call } from './world.js';

interface Schema {
  readonly 'x-id-of'?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
}

/** One operation of the OpenAPI document. */
export interface Operation {
  readonly id: string;
  readonly method: string;
  readonly path: string;
  readonly permission: string;
  readonly audit: string;
  readonly ids: readonly IdPlace[];
  /** Names of its query parameters. */
  readonly queries: readonly string[];
}

/** Where an operation takes the id of a thing, and how a call is changed to carry another one. */
export interface IdPlace {
  readonly noun: string;
  readonly where: string;
  replace<T extends Omit<Call, 'method' | 'path'>>(call: T, id: string): T;
}

const methods = ['get', 'put', 'post', 'patch', 'delete'] as const;

export async function operationsOf(api: Api): Promise<readonly Operation[]> {
  const { json } = await api.must({ method: 'GET', path: '/openapi.json' });
  return Object.entries<Record<string, RawOperation>>(json.paths).flatMap(([path, item]) =>
    methods.flatMap((method) => {
      const operation = item[method];
      return operation ? [operationOf(path, method, operation)] : [];
    }),
  );
}

interface RawOperation {
  readonly operationId: string;
  readonly 'x-permission': string;
  readonly 'x-audit': string;
  readonly parameters?: readonly { readonly in: string; readonly name: string; readonly schema: Schema }[];
  readonly requestBody?: { readonly content: { readonly 'application/json'?: { readonly schema: Schema } } };
}

function operationOf(path: string, method: string, raw: RawOperation): Operation {
  const fromParameters = (raw.parameters ?? []).flatMap(({ in: where, name, schema }) => {
    const noun = schema['x-id-of'];
    return noun === undefined ? [] : [parameterPlace(noun, where === 'path' ? 'params' : 'query', name)];
  });
  const body = raw.requestBody?.content['application/json']?.schema;
  return {
    id: raw.operationId,
    method: method.toUpperCase(),
    path,
    permission: raw['x-permission'],
    audit: raw['x-audit'],
    ids: [...fromParameters, ...(body ? bodyPlaces(body, []) : [])],
    queries: (raw.parameters ?? []).filter(({ in: where }) => where === 'query').map(({ name }) => name),
  };
}

const parameterPlace = (noun: string, part: 'params' | 'query', name: string): IdPlace => ({
  noun,
  where: `${part}.${name}`,
  replace: (call, id) => ({ ...call, [part]: { ...call[part], [name]: id } }),
});

function bodyPlaces(schema: Schema, at: readonly string[]): IdPlace[] {
  const noun = schema['x-id-of'];
  if (noun !== undefined)
    return [
      { noun, where: `body.${at.join('.')}`, replace: (call, id) => ({ ...call, body: withValue(call.body, at, id) }) },
    ];
  return [
    ...Object.entries(schema.properties ?? {}).flatMap(([name, inner]) => bodyPlaces(inner, [...at, name])),
    ...(schema.items ? bodyPlaces(schema.items, [...at, '0']) : []),
    ...(schema.anyOf ?? []).flatMap((inner) => bodyPlaces(inner, at)),
  ];
}

function withValue(value: unknown, [first, ...rest]: readonly string[], id: string): unknown {
  if (first === undefined) return id;
  const inner = withValue((value as Record<string, unknown> | undefined)?.[first], rest, id);
  if (Array.isArray(value)) return value.map((each, n) => (String(n) === first ? inner : each));
  return { ...(value as object), [first]: inner };
}
