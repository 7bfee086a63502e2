import { Secret } from './secret.js';

/** One environment variable: its name, how its text becomes a value, and the words that document it. */
export interface Variable<T> {
  readonly env: string;
  /** Other names that older set-ups use; the first one that is set wins, after `env`. */
  readonly aliases: readonly string[];
  readonly description: string;
  /** What the value is, for `.env.example` and docs/CONFIG.md: `integer 1…5000`, `milliseconds`, `url`. */
  readonly shape: string;
  readonly secret: boolean;
  readonly optional: boolean;
  readonly default: T | undefined;
  /** For a family such as `SHARD_<n>_URL`: the highest n that is read. The value is then a list indexed by n − 1. */
  readonly familyMax?: number;
  /** Throws an Error whose message never repeats a secret's value. */
  readonly parse: (text: string) => T;
}

interface Words<T> {
  readonly description: string;
  readonly default?: T;
  readonly aliases?: readonly string[];
}

const variable = <T>(env: string, words: Words<T>, shape: string, parse: (text: string) => T, secret = false) => ({
  env,
  aliases: words.aliases ?? [],
  description: words.description,
  shape,
  secret,
  optional: false,
  default: words.default,
  parse,
});

export const text = (env: string, words: Words<string>): Variable<string> => variable(env, words, 'text', (t) => t);

export function integer(
  env: string,
  words: Words<number> & { readonly min: number; readonly max: number; readonly unit?: string },
): Variable<number> {
  const { min, max, unit } = words;
  return variable(env, words, `${unit ?? 'integer'} ${min}…${max}`, (t) => {
    const n = Number(t);
    if (!Number.isInteger(n) || n < min || n > max) throw new Error(`must be a whole number from ${min} to ${max}`);
    return n;
  });
}

export const flag = (env: string, words: Words<boolean>): Variable<boolean> =>
  variable(env, words, 'true | false', (t) => {
    if (t === 'true' || t === '1') return true;
    if (t === 'false' || t === '0') return false;
    throw new Error('must be true or false');
  });

export const choice = <const T extends string>(
  env: string,
  options: readonly T[],
  words: Words<NoInfer<T>>,
): Variable<T> =>
  variable<T>(env, words, options.join(' | '), (t) => {
    const found = options.find((o) => o === t);
    if (found === undefined) throw new Error(`must be one of ${options.join(', ')}`);
    return found;
  });

export function url(env: string, protocols: readonly string[], words: Words<string>): Variable<string> {
  return variable(env, words, `url (${protocols.join(', ')})`, (t) => parseUrl(t, protocols));
}

type Item<T> = Pick<Variable<T>, 'parse' | 'shape'> & Partial<Pick<Variable<T>, 'secret'>>;

/** A list of secrets is a secret: it too is read from the file that `<NAME>_FILE` names. */
export function list<T>(env: string, item: Item<T>, words: Words<readonly T[]>) {
  const parse = (t: string): readonly T[] =>
    t
      .split(',')
      .map((part) => part.trim())
      .filter((part) => part !== '')
      .map((part) => item.parse(part));
  return variable<readonly T[]>(env, words, `comma-separated ${item.shape}`, parse, item.secret ?? false);
}

/** Also read from the file that `<NAME>_FILE` names, as container secrets come. */
export const secret = (env: string, words: Words<Secret>): Variable<Secret> =>
  variable(env, words, 'secret', (t) => new Secret(t), true);

/** A url that carries credentials: secret as a whole, checked as a url. */
export const secretUrl = (env: string, protocols: readonly string[], words: Words<Secret>): Variable<Secret> =>
  variable(env, words, `secret url (${protocols.join(', ')})`, (t) => new Secret(parseUrl(t, protocols)), true);

export const optional = <T>(inner: Variable<T>): Variable<T | undefined> => ({ ...inner, optional: true });

/** One variable per number: `family('SHARD_<n>_URL', 64, secretUrl(…))` reads SHARD_1_URL … SHARD_64_URL. */
export const family = <T>(inner: Variable<T>, familyMax: number): Variable<readonly (T | undefined)[]> =>
  ({ ...inner, optional: true, default: [], familyMax }) as unknown as Variable<readonly (T | undefined)[]>;

function parseUrl(t: string, protocols: readonly string[]): string {
  const parsed = URL.parse(t);
  if (parsed === null || !protocols.includes(parsed.protocol.replace(':', '')))
    throw new Error(`must be a url with ${protocols.map((p) => `${p}://`).join(' or ')}`);
  return t;
}
