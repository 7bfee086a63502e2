import type { Variable } from './variable.js';

export type Variables = Readonly<Record<string, Variable<unknown>>>;
export type Values<V extends Variables> = { readonly [K in keyof V]: V[K] extends Variable<infer T> ? T : never };

export type Environment = Readonly<Record<string, string | undefined>>;

/** What one lib needs from the environment. Apps compose the slices that they use. */
export interface Slice<V extends Variables> {
  readonly title: string;
  readonly variables: V;
  /** Variables that follow from others, by name; one that is set itself wins. `read` finds a secret in its file too. */
  derive?(read: (name: string) => string | undefined): Environment;
  /** Beginnings of names that only the product uses: another variable with such a name is a mistake, but for `elsewhere`. */
  readonly owns?: readonly string[];
  /** Names with such a beginning that other apps or slices read. */
  readonly elsewhere?: readonly string[];
  /** Checks between this slice's own values; each returned sentence names the variables concerned. */
  check?(values: Values<V>): readonly string[];
}

export const slice = <const V extends Variables>(
  title: string,
  variables: V,
  check?: (values: Values<V>) => readonly string[],
  further: Pick<Slice<V>, 'derive' | 'owns' | 'elsewhere'> = {},
): Slice<V> => ({ title, variables, ...further, ...(check ? { check } : {}) });
