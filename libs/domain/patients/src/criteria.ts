import type { LocalDate } from '#infra/time';
import { phoneKeyOf } from './contacts.js';
import { joined, prefixLength, prefixOf, spellingsOf, wordsOf } from './names.js';
import type { Demographics } from './patient.js';
import { type Criterion, type PlainToken, tokenOf } from './tokens.js';

/** All of it must hold. A word of three letters or more also finds the names that begin with it. */
export interface PatientCriteria {
  /** Words of family and given names, in any order. */
  readonly name?: string | undefined;
  readonly family?: string | undefined;
  readonly given?: string | undefined;
  readonly birthDate?: LocalDate | undefined;
  readonly phone?: string | undefined;
}

/** The most words of one name that narrow a search through the index; all of them decide who is shown. */
const wordsMax = 6;

/** Empty where nothing was asked that could be found. */
export function criteriaOf({ name, family, given, birthDate, phone }: PatientCriteria): readonly Criterion[] {
  return [
    ...nameCriteria(family, ['family']),
    ...nameCriteria(given, ['given']),
    ...nameCriteria(name, ['family', 'given']),
    ...exactly(tokenOf('birthDate', birthDate)),
    ...exactly(tokenOf('phone', phone && phoneKeyOf(phone))),
  ];
}

type NameKind = 'family' | 'given';

/** Every word of a name is a condition; all in one (Mc Donald → McDonald) meets each of them. */
function nameCriteria(name: string | undefined, kinds: readonly NameKind[]): readonly Criterion[] {
  const words = wordsOf(name ?? null).slice(0, wordsMax);
  const whole = words.length > 1 ? wholeOf(words, kinds) : [];
  return words.map((word) => ({ alternatives: [...alternativesOf(word, kinds), ...whole] }));
}

/** The start of it narrows nothing that its first word does not, unless that is too short to have one. */
function wholeOf(words: readonly string[], kinds: readonly NameKind[]): Criterion['alternatives'] {
  const all = alternativesOf(joined(words), kinds);
  return prefixOf(words[0] ?? '') === null ? all : all.filter(({ weight }) => weight > 0);
}

const alternativesOf = (word: string, kinds: readonly NameKind[]): Criterion['alternatives'] =>
  kinds.flatMap((kind) => {
    const prefix = prefixOf(word);
    const exact = { kind, text: word, weight: 1 };
    return prefix === null ? [exact] : [exact, { kind: `${kind}Prefix` as const, text: prefix, weight: 0 }];
  });

const exactly = (token: PlainToken | null): readonly Criterion[] =>
  token === null ? [] : [{ alternatives: [{ ...token, weight: 1 }] }];

/** Whether somebody whom the index named is really asked for; `begins`: by the start of a name. */
export function fits(person: Demographics, asked: PatientCriteria): 'exactly' | 'begins' | 'not' {
  if (asked.birthDate !== undefined && person.birthDate !== asked.birthDate) return 'not';
  if (asked.phone !== undefined && !samePhone(person.phone, asked.phone)) return 'not';
  const [family, given] = [spellingsOf(person.family), spellingsOf(person.given)];
  const answers = [
    fitsName(family, asked.family),
    fitsName(given, asked.given),
    fitsName([...family, ...given], asked.name),
  ];
  if (answers.includes('not')) return 'not';
  return answers.includes('begins') ? 'begins' : 'exactly';
}

const samePhone = (phone: string | null, asked: string): boolean =>
  phone !== null && phoneKeyOf(phone) === phoneKeyOf(asked);

function fitsName(spellings: readonly string[], asked: string | undefined): 'exactly' | 'begins' | 'not' {
  const words = wordsOf(asked ?? null);
  const every = (test: (word: string) => boolean) => words.every(test) || (words.length > 1 && test(joined(words)));
  if (every((word) => spellings.includes(word))) return 'exactly';
  const begins = (word: string) => [...word].length >= prefixLength && spellings.some((name) => name.startsWith(word));
  return every((word) => spellings.includes(word) || begins(word)) ? 'begins' : 'not';
}
