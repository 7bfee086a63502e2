import 'reflect-metadata';
import type { INestApplication } from '@nestjs/common';
import { METHOD_METADATA, PATH_METADATA } from '@nestjs/common/internal';
import { MetadataScanner, ModulesContainer } from '@nestjs/core';
import { type AccessRule, accessMetadata } from './access.js';
import { type HandlerParameter, parametersOf } from './handler-parameters.js';

/** One method of one controller that answers requests. */
export interface HandlerFacts {
  readonly controller: string;
  readonly method: string;
  /** Parts are missing where somebody forgot them, which the route check refuses. */
  readonly rule: AccessRule;
  readonly parameters: readonly HandlerParameter[];
  readonly readsIfMatch: boolean;
  readonly readsPage: boolean;
  readonly readsBytes: boolean;
}

type Constructor = abstract new (...args: never[]) => unknown;

/** Every handler of every controller of the application, each once. */
export function handlersOf(app: INestApplication): HandlerFacts[] {
  const modules = [...app.get(ModulesContainer).values()];
  const controllers = new Set(modules.flatMap((module) => [...module.controllers.values()].map((it) => it.metatype)));
  return [...controllers].flatMap((controller) => handlersOfController(controller as Constructor));
}

export function handlersOfController(controller: Constructor): HandlerFacts[] {
  const prototype = controller.prototype as Readonly<Record<string, object>>;
  return new MetadataScanner()
    .getAllMethodNames(prototype)
    .filter((name) => isHandler(prototype[name]))
    .map((method) => {
      const parameters = parametersOf(controller, method);
      return {
        controller: controller.name,
        method,
        rule: Reflect.getMetadata(accessMetadata, prototype[method] ?? {}) ?? {},
        parameters,
        readsIfMatch: parameters.some(({ source }) => source === 'if-match'),
        readsPage: parameters.some(({ source }) => source === 'page'),
        readsBytes: parameters.some(({ source }) => source === 'bytes'),
      };
    });
}

const isHandler = (method: object | undefined): boolean =>
  method !== undefined && Reflect.hasMetadata(PATH_METADATA, method) && Reflect.hasMetadata(METHOD_METADATA, method);
