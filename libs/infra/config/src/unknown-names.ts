import type { Environment, Slice, Variables } from './slice.js';

/** A shorter name may well be somebody else's. */
const shortestMisspelt = 8;
/** What Kubernetes and Docker tell a container of the services beside it. */
const ofServices = /_(SERVICE_HOST|SERVICE_PORT\w*|PORT|PORT_\d+_(TCP|UDP)\w*)$/;

/**
 * Variables that nobody reads although somebody means them to be read: with a beginning that only the product uses, or one
 * letter away from a name that is read (too many, missing, another one, two in the wrong order). Never with their values.
 */
export function unknownNames(slices: readonly Slice<Variables>[], environment: Environment): readonly string[] {
  const read = new Set(slices.flatMap(namesOf));
  const elsewhere = new Set(slices.flatMap((s) => s.elsewhere ?? []));
  const owned = slices.flatMap((s) => s.owns ?? []);
  const named = (name: string) => read.has(name) || elsewhere.has(name);
  const known = (name: string) => named(name) || named(name.replace(/_FILE$/, ''));
  const strange = Object.keys(environment).filter(
    (name) => (environment[name] ?? '') !== '' && !known(name) && !ofServices.test(name),
  );
  return strange.flatMap((name) => {
    const meant = name.length < shortestMisspelt ? undefined : [...read].find((other) => isOneAway(name, other));
    if (meant !== undefined) return [`${name} is unknown: ${meant} is meant?`];
    return owned.some((beginning) => name.startsWith(beginning)) ? [`${name} is unknown`] : [];
  });
}

function namesOf({ variables }: Slice<Variables>): readonly string[] {
  return Object.values(variables).flatMap(({ env, aliases, familyMax }) =>
    familyMax === undefined
      ? [env, ...aliases]
      : Array.from({ length: familyMax }, (_, n) => env.replace('<n>', String(n + 1))),
  );
}

function isOneAway(name: string, other: string): boolean {
  // The same variable of another number is no misspelling: one beyond the last is unknown by its beginning.
  if (name.replace(/\d+/g, '0') === other.replace(/\d+/g, '0')) return false;
  if (Math.abs(name.length - other.length) > 1) return false;
  let start = 0;
  while (start < name.length && name[start] === other[start]) start += 1;
  const [left, right] = [name.slice(start), other.slice(start)];
  if (left.slice(1) === right.slice(1) || left.slice(1) === right || left === right.slice(1)) return true;
  return left[0] === right[1] && left[1] === right[0] && left.slice(2) === right.slice(2);
}
