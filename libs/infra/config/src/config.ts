import { readFileSync } from 'node:fs';
import type { Variable } from './variable.js';

export type Variables = Readonly<Record<string, Variable<unknown>>>;
export type Values<V extends Variables> = { readonly [K in keyof V]: V[K] extends Variable<infer T> ? T : never };

/** What one lib needs from the environment. Apps compose the slices that they use. */
export interface Slice<V extends Variables> {
  readonly title: string;
  readonly variables: V;
  /** Checks between this slice's own values; each returned sentence names the variables concerned. */
  check?(values: Values<V>): readonly string[];
}

type Slices = Readonly<Record<string, Slice<Variables>>>;
export type Config<S extends Slices> = {
  readonly [K in keyof S]: S[K] extends Slice<infer V> ? Values<V> : never;
};

type Environment = Readonly<Record<string, string | undefined>>;

/** Every mistake in the environment at once, each line naming its variable and never a secret's value. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  constructor(readonly mistakes: readonly string[]) {
    super(`configuration is not usable:\n${mistakes.map((m) => `  - ${m}`).join('\n')}`);
  }
}

export const slice = <const V extends Variables>(
  title: string,
  variables: V,
  check?: (values: Values<V>) => readonly string[],
): Slice<V> => ({ title, variables, ...(check ? { check } : {}) });

/** Reads, validates and freezes; throws one ConfigError that lists all mistakes. */
export function parseConfig<S extends Slices>(slices: S, environment: Environment = process.env): Config<S> {
  const mistakes: string[] = [];
  const config: Record<string, unknown> = {};
  for (const [name, s] of Object.entries(slices)) {
    const before = mistakes.length;
    const values: Record<string, unknown> = {};
    for (const [key, v] of Object.entries(s.variables))
      values[key] = v.familyMax ? readFamily(v, environment, mistakes) : readVariable(v, environment, mistakes);
    if (mistakes.length === before && s.check) mistakes.push(...s.check(values as Values<Variables>));
    config[name] = Object.freeze(values);
  }
  if (mistakes.length > 0) throw new ConfigError(mistakes);
  return Object.freeze(config) as Config<S>;
}

function readVariable(v: Variable<unknown>, environment: Environment, mistakes: string[]): unknown {
  const found = findText(v, environment, mistakes);
  if (found === undefined) {
    if (v.default === undefined && !v.optional) mistakes.push(`${v.env} is required: ${v.description}`);
    return v.default;
  }
  try {
    return v.parse(found.text);
  } catch (error) {
    mistakes.push(`${found.name} ${error instanceof Error ? error.message : 'is malformed'}`);
    return undefined;
  }
}

function readFamily(v: Variable<unknown>, environment: Environment, mistakes: string[]): unknown[] {
  const values: unknown[] = [];
  for (let n = 1; n <= (v.familyMax ?? 0); n += 1) {
    const numbered = { ...v, env: v.env.replace('<n>', String(n)), aliases: [], optional: true, default: undefined };
    const value = readVariable(numbered, environment, mistakes);
    if (value !== undefined) values[n - 1] = value;
  }
  return values;
}

function findText(v: Variable<unknown>, environment: Environment, mistakes: string[]) {
  for (const name of [v.env, ...v.aliases]) {
    const direct = environment[name];
    if (direct !== undefined && direct !== '') return { name, text: direct };
    const file = v.secret ? environment[`${name}_FILE`] : undefined;
    if (file === undefined || file === '') continue;
    try {
      return { name: `${name}_FILE`, text: readFileSync(file, 'utf8').trim() };
    } catch {
      mistakes.push(`${name}_FILE names a file that cannot be read`);
      return undefined;
    }
  }
  return undefined;
}
