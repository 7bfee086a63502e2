/** A person as the API registers one. */
export interface Person {
  readonly family: string;
  readonly given: string;
  readonly birthDate: string;
  readonly phone: string;
}

const commonFamilies =
  'Smith Johnson Williams Brown Jones Garcia Miller Davis Rodriguez Martinez Hernandez Lopez Gonzalez Wilson Anderson Thomas Taylor Moore Jackson Martin Lee Perez Thompson White Harris Sanchez Clark Ramirez Lewis Robinson Walker Young Allen King Wright Scott Torres Nguyen Hill Flores Green Adams Nelson Baker Hall Rivera Campbell Mitchell Carter Roberts';
const commonGivens =
  'James Mary Michael Patricia Robert Jennifer John Linda David Elizabeth William Barbara Richard Susan Joseph Jessica Thomas Karen Christopher Sarah Charles Lisa Daniel Nancy Matthew Sandra Anthony Ashley Mark Emily Steven Kimberly Donald Betty Andrew Margaret Joshua Donna Paul Michelle Kenneth Carol Kevin Amanda Brian Melissa Timothy Deborah Ronald Stephanie';
const onsets = 'b br c ch d dr f g gr h j k kl l m n p r s st t v w z'.split(' ');
const vowels = 'a e i o u ai ea ou'.split(' ');
const endings = 'n l r s t ck nd rt son ley ton er man berg ski'.split(' ');

/** Of how many names people have one; the first ones are common, the tail is long, as it is in a town. */
const counts = { families: 4_000, givens: 800 } as const;
/** A name's share falls with its rank plus this: the first family name has about one person in eighty. */
const flatness = 12;
const firstBirthMs = Date.UTC(1930, 0);
const birthSpanMs = Date.UTC(2020, 0) - firstBirthMs;

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
export function dice(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export const pick = <T>(roll: () => number, from: readonly T[]): T => from[Math.floor(roll() * from.length)] as T;

/** The same people for the same seed. */
export function makePeople(count: number, seed: number): readonly Person[] {
  const roll = dice(seed);
  const families = namesLike(commonFamilies, counts.families, roll);
  const givens = namesLike(commonGivens, counts.givens, roll);
  return Array.from({ length: count }, (_, n) => ({
    family: families[rankOf(roll(), counts.families)] as string,
    given: givens[rankOf(roll(), counts.givens)] as string,
    birthDate: new Date(firstBirthMs + Math.floor(roll() * birthSpanMs)).toISOString().slice(0, 10),
    phone: `+1 604 ${String(2_000_000 + n).replace(/(\d{3})/, '$1 ')}`,
  }));
}

/** Zipf’s law, flattened: the share of all ranks up to k is ln((k + flatness) / flatness) / ln((n + flatness) / flatness). */
const rankOf = (share: number, count: number): number =>
  Math.min(count - 1, Math.floor(flatness * ((count + flatness) / flatness) ** share - flatness));

function namesLike(common: string, count: number, roll: () => number): readonly string[] {
  const names = new Set(common.split(' '));
  while (names.size < count) {
    const [onset, vowel, middle, second, ending] = [onsets, vowels, onsets, vowels, endings].map((of) =>
      pick(roll, of),
    );
    const name = `${onset}${vowel}${middle}${second}${ending}`;
    names.add(name.charAt(0).toUpperCase() + name.slice(1));
  }
  return [...names];
}
