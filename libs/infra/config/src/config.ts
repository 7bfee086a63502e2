import { readFileSync } from 'node:fs';
import type { Environment, Slice, Values, Variables } from './slice.js';
import { unknownNames } from './unknown-names.js';
import type { Variable } from './variable.js';

type Slices = Readonly<Record<string, Slice<Variables>>>;
export type Config<S extends Slices> = {
  readonly [K in keyof S]: S[K] extends Slice<infer V> ? Values<V> : never;
};

/** Every mistake in the environment at once, each line naming its variable and never a secret's value. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  constructor(readonly mistakes: readonly string[]) {
    super(`configuration is not usable:\n${mistakes.map((m) => `  - ${m}`).join('\n')}`);
  }
}

/** Reads, validates and freezes; throws one ConfigError that lists all mistakes. */
export function parseConfig<S extends Slices>(slices: S, environment: Environment = process.env): Config<S> {
  const mistakes: string[] = [];
  const config: Record<string, unknown> = {};
  mistakes.push(...unknownNames(Object.values(slices), environment));
  for (const [name, s] of Object.entries(slices)) {
    const given = withDerived(s, environment);
    const before = mistakes.length;
    const values: Record<string, unknown> = {};
    for (const [key, v] of Object.entries(s.variables))
      values[key] = v.familyMax ? readFamily(v, given, mistakes) : readVariable(v, given, mistakes);
    if (mistakes.length === before && s.check) mistakes.push(...s.check(values as Values<Variables>));
    config[name] = Object.freeze(values);
  }
  if (mistakes.length > 0) throw new ConfigError(mistakes);
  return Object.freeze(config) as Config<S>;
}

function withDerived(s: Slice<Variables>, environment: Environment): Environment {
  if (!s.derive) return environment;
  const secrets = new Set(
    Object.values(s.variables)
      .filter(({ secret }) => secret)
      .map(({ env }) => env),
  );
  const read = (name: string) => findText({ env: name, aliases: [], secret: secrets.has(name) }, environment, [])?.text;
  const derived = Object.entries(s.derive(read)).filter(([name]) => read(name) === undefined);
  return { ...environment, ...Object.fromEntries(derived) };
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

function findText(
  v: Pick<Variable<unknown>, 'env' | 'aliases' | 'secret'>,
  environment: Environment,
  mistakes: string[],
) {
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
