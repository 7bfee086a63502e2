import type { Config } from './config.js';
import { Secret } from './secret.js';
import type { Slice, Variables } from './slice.js';
import type { Variable } from './variable.js';

type Slices = Readonly<Record<string, Slice<Variables>>>;

/** What an app goes by, as `NAME=value` lines in the order of its slices; secrets are `***`, what is not set is left out. */
export const effectiveConfig = <S extends Slices>(slices: S, config: Config<S>): readonly string[] =>
  Object.entries(slices).flatMap(([name, { variables }]) =>
    Object.entries(variables).flatMap(([key, variable]) => linesOf(variable, valueAt(config, name, key))),
  );

const valueAt = (config: object, slice: string, key: string): unknown =>
  (config as Readonly<Record<string, Readonly<Record<string, unknown>>>>)[slice]?.[key];

function linesOf(variable: Variable<unknown>, value: unknown): string[] {
  if (variable.familyMax !== undefined && Array.isArray(value))
    return value.flatMap((each, n) => lineOf(variable.env.replace('<n>', String(n + 1)), each));
  return lineOf(variable.env, value);
}

const lineOf = (name: string, value: unknown): string[] => (value === undefined ? [] : [`${name}=${textOf(value)}`]);

function textOf(value: unknown): string {
  if (Array.isArray(value)) return value.map(textOf).join(',');
  return typeof value === 'object' && !(value instanceof Secret) ? JSON.stringify(value) : String(value);
}
