import { emailKeyOf, phoneKeyOf } from './contacts.js';
import { prefixOf, spellingsOf, wordsOf } from './names.js';
import type { Demographics } from './patient.js';
import { soundOf } from './phonetic.js';

/** As stored in patient_token.kind. */
export const tokenKinds = {
  family: 1,
  given: 2,
  familyPrefix: 3,
  givenPrefix: 4,
  birthDate: 5,
  phone: 6,
  email: 7,
  sounds: 8,
  familyYear: 9,
  givenYear: 10,
} as const;
export type TokenKind = keyof typeof tokenKinds;

/** A normalised text that becomes a blind index; never leaves the process as it is. */
export interface PlainToken {
  readonly kind: TokenKind;
  readonly text: string;
}

/** One condition as the index can say it: any of the alternatives. */
export interface Criterion {
  /** Who has more weight comes first: a whole word weighs, the start of one does not. */
  readonly alternatives: readonly (PlainToken & { readonly weight: number })[];
}

/** The most spellings of one name that are indexed. */
const spellingsMax = 8;

/** Everything by which a patient is found, each once. */
export function tokensOf(demographics: Demographics): readonly PlainToken[] {
  return distinct([
    ...nameTokens('family', demographics.family),
    ...nameTokens('given', demographics.given),
    ...blockingTokensOf(demographics),
  ]);
}

/** What two records of one person are likely to share, also with a slip or with names that changed places. */
export function blockingTokensOf({ family, given, birthDate, phone, email }: Demographics): readonly PlainToken[] {
  const [familySound, givenSound] = [firstSound(family), firstSound(given)];
  const year = birthDate?.slice(0, 4);
  const tokens: readonly (PlainToken | null)[] = [
    tokenOf('birthDate', birthDate),
    tokenOf('phone', phone && phoneKeyOf(phone)),
    tokenOf('email', email && emailKeyOf(email)),
    tokenOf('sounds', familySound && givenSound && [familySound, givenSound].sort().join(' ')),
    tokenOf('familyYear', familySound && year && `${familySound} ${year}`),
    tokenOf('givenYear', givenSound && year && `${givenSound} ${year}`),
  ];
  return tokens.filter((token) => token !== null);
}

/** Contacts tell more than a birth date, and that more than a sound. */
const blockingWeights: Partial<Readonly<Record<TokenKind, number>>> = { phone: 3, email: 3, birthDate: 2, sounds: 2 };

/** Each token a condition of its own, so that whoever shares the most comes first. */
export const blockingCriteriaOf = (demographics: Demographics): readonly Criterion[] =>
  blockingTokensOf(demographics).map((token) => ({
    alternatives: [{ ...token, weight: blockingWeights[token.kind] ?? 1 }],
  }));

export const tokenOf = (kind: TokenKind, text: string | null | undefined): PlainToken | null =>
  text ? { kind, text } : null;

function nameTokens(kind: 'family' | 'given', name: string | null): readonly PlainToken[] {
  return spellingsOf(name)
    .slice(0, spellingsMax)
    .flatMap((text) => [{ kind, text }, tokenOf(`${kind}Prefix`, prefixOf(text))])
    .filter((token) => token !== null);
}

function firstSound(name: string | null): string | null {
  const [first] = wordsOf(name);
  return first === undefined ? null : soundOf(first);
}

function distinct(tokens: readonly PlainToken[]): readonly PlainToken[] {
  const byKey = new Map(tokens.map((token) => [`${token.kind} ${token.text}`, token]));
  return [...byKey.values()];
}
