import 'reflect-metadata';
import type { ArgumentMetadata } from '@nestjs/common';
import { ROUTE_ARGS_METADATA, RouteParamtypes } from '@nestjs/common/internal';
import { BodyBytes } from './body-bytes.js';
import { PageQuery } from './paging.js';
import { IfMatch } from './parameters.js';
import { type PageSize, pageSizeOf } from './schemas.js';

/** Which parts of a request a handler reads; what it does not read must not be sent. */
export interface Takes {
  readonly body: boolean;
  readonly query: boolean;
  /** Of a list. */
  readonly pageSize?: PageSize;
  /** What is read of bodies, queries and paths, each with the schema that it must fit. */
  readonly inputs: readonly Input[];
}

export interface Input {
  readonly source: 'body' | 'query' | 'path';
  readonly name?: string;
  readonly schema: Schema;
}

type Source = 'body' | 'bytes' | 'query' | 'path' | 'if-match' | 'page' | 'other';

export interface HandlerParameter {
  readonly source: Source;
  /** The one member that is read; all where it is absent. */
  readonly name?: string;
  readonly schema?: Schema;
  readonly pageSize?: PageSize;
}

export type Schema = NonNullable<ArgumentMetadata['schema']>;

interface ParameterMetadata {
  readonly data?: unknown;
  readonly schema?: Schema;
  readonly factory?: unknown;
}

const sources: Readonly<Record<number, Source>> = {
  [RouteParamtypes.BODY]: 'body',
  [RouteParamtypes.QUERY]: 'query',
  [RouteParamtypes.PARAM]: 'path',
};

/** Parameter decorators run before the method's, so this may be asked from a method decorator. */
export function parametersOf(controller: object, method: string | symbol): HandlerParameter[] {
  const found: Readonly<Record<string, ParameterMetadata>> =
    Reflect.getMetadata(ROUTE_ARGS_METADATA, controller, method) ?? {};
  return Object.entries(found).map(([key, { data, schema, factory }]) => ({
    source: sources[Number(key.split(':')[0])] ?? ownSource(factory),
    ...(typeof data === 'string' ? { name: data } : {}),
    ...(schema === undefined ? {} : { schema }),
    ...sizeOf(schema),
  }));
}

function ownSource(factory: unknown): Source {
  if (factory === IfMatch.factory) return 'if-match';
  if (factory === BodyBytes.factory) return 'bytes';
  return factory === PageQuery.factory ? 'page' : 'other';
}

function sizeOf(schema: unknown): Pick<HandlerParameter, 'pageSize'> {
  const pageSize = typeof schema === 'object' && schema !== null ? pageSizeOf(schema) : undefined;
  return pageSize === undefined ? {} : { pageSize };
}

export function takesOf(controller: object, method: string | symbol): Takes {
  const parameters = parametersOf(controller, method);
  const read = parameters.map((parameter) => parameter.source);
  const list = parameters.find(({ pageSize }) => pageSize !== undefined);
  return {
    body: read.includes('body') || read.includes('bytes'),
    query: read.includes('query'),
    inputs: parameters.filter(isInput),
    ...(list?.pageSize === undefined ? {} : { pageSize: list.pageSize }),
  };
}

const isInput = (parameter: HandlerParameter): parameter is HandlerParameter & Input =>
  parameter.schema !== undefined && ['body', 'query', 'path'].includes(parameter.source);
