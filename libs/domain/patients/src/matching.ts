import { emailKeyOf, phoneKeyOf } from './contacts.js';
import { joined, wordsOf } from './names.js';
import type { Address, Demographics, PatientId } from './patient.js';
import { soundOf } from './phonetic.js';
import { isOneSlip, similarity } from './similarity.js';

/** How far one field of two people agrees; `unknown` where one of them lacks it. */
export type Agreement = 'exact' | 'close' | 'alike' | 'different' | 'unknown';

export const comparedFields = ['family', 'given', 'birthDate', 'phone', 'email', 'address'] as const;
export type ComparedField = (typeof comparedFields)[number];

export const grades = ['possible', 'probable', 'certain'] as const;
export type Grade = (typeof grades)[number];

export interface Match {
  /** Bits of evidence that both are one person. */
  readonly score: number;
  /** Null: not worth a question. */
  readonly grade: Grade | null;
  readonly agreements: Readonly<Record<ComparedField, Agreement>>;
}

/** Somebody who may be the one that is being registered. */
export interface Candidate extends Match {
  readonly patientId: PatientId;
  readonly grade: Grade;
}

type Weights = Readonly<Record<Agreement, number>>;
const weights = (exact: number, close: number, alike: number, different: number): Weights => ({
  exact,
  close,
  alike,
  different,
  unknown: 0,
});

/**
 * Fellegi–Sunter: log2 of how much more often two records of one person agree so than records of two people do. From
 * how common names and birth dates are in a population; a tenant's own frequencies would sharpen them.
 */
const bits: Readonly<Record<ComparedField, Weights>> = {
  family: weights(8, 5, 2, -4),
  given: weights(6.5, 4, 2, -3.5),
  birthDate: weights(12, 6, 0, -5),
  phone: weights(11, 0, 0, -0.5),
  email: weights(12, 6, 0, -0.5),
  address: weights(9, 5, 2, -1.5),
};

export const gradeBits: Readonly<Record<Grade, number>> = { possible: 10, probable: 16, certain: 24 };

const closeNames = 0.9;
const alikeNames = 0.8;
const closeStreets = 0.92;
const shortFormLetters = 3;

/** A person made ready to be compared with many. */
export interface Comparable {
  readonly family: readonly string[];
  readonly given: readonly string[];
  readonly birthDate: string | null;
  readonly phone: string | null;
  readonly email: string | null;
  readonly address: Address | null;
}

export const comparableOf = ({ family, given, birthDate, phone, email, address }: Demographics): Comparable => ({
  family: wordsOf(family),
  given: wordsOf(given),
  birthDate,
  phone: phone && phoneKeyOf(phone),
  email: email && emailKeyOf(email),
  address: address && plainAddress(address),
});

export function compare(a: Comparable, b: Comparable): Match {
  const agreements = {
    ...agreementOfNames(a, b),
    birthDate: known(a.birthDate, b.birthDate, agreementOfDates),
    phone: known(a.phone, b.phone, (x, y) => (x === y ? 'exact' : 'different')),
    email: known(a.email, b.email, agreementOfEmails),
    address: known(a.address, b.address, agreementOfAddresses),
  };
  const score = comparedFields.reduce((sum, field) => sum + bits[field][agreements[field]], 0);
  return { score, grade: gradeOf(score, agreements), agreements };
}

/** Relatives share name, address and telephone: where a name or the birth date speaks against it, it stays a question. */
function gradeOf(score: number, { family, given, birthDate }: Match['agreements']): Grade | null {
  const highest = [...grades].reverse().find((grade) => score >= gradeBits[grade]) ?? null;
  if (highest === null) return null;
  const said = [family, given, birthDate];
  if (said.includes('different')) return 'possible';
  return highest === 'certain' && birthDate === 'unknown' ? 'probable' : highest;
}

const known = <T>(a: T | null, b: T | null, agreement: (a: T, b: T) => Agreement): Agreement =>
  a === null || b === null ? 'unknown' : agreement(a, b);

/** What counts in favour, as the refusal of a registration names it. */
export const agrees = (agreement: Agreement): boolean => agreement === 'exact' || agreement === 'close';

/** Given and family names that changed places count, a little less. */
function agreementOfNames(a: Comparable, b: Comparable): Pick<Match['agreements'], 'family' | 'given'> {
  const straight = { family: agreementOfWords(a.family, b.family), given: agreementOfWords(a.given, b.given) };
  if (agrees(straight.family)) return straight;
  const crossed = [agreementOfWords(a.family, b.given), agreementOfWords(a.given, b.family)];
  return crossed.every(agrees) ? { family: 'close', given: 'close' } : straight;
}

function agreementOfWords(a: readonly string[], b: readonly string[]): Agreement {
  const [whole, other] = [joined(a), joined(b)];
  const [first = '', second = ''] = [a[0], b[0]];
  if (whole === '' || other === '') return 'unknown';
  if (whole === other) return 'exact';
  const near = similarity(whole, other);
  if (near >= closeNames || a.some((word) => b.includes(word)) || isShortForm(first, second)) return 'close';
  const isInitial = (first.length === 1 || second.length === 1) && first[0] === second[0];
  if (near >= alikeNames || isInitial || soundOf(first) === soundOf(second)) return 'alike';
  return 'different';
}

/** Rob of Robert. */
function isShortForm(a: string, b: string): boolean {
  if (Math.min(a.length, b.length) < shortFormLetters) return false;
  return a.startsWith(b) || b.startsWith(a);
}

function agreementOfDates(a: string, b: string): Agreement {
  if (a === b) return 'exact';
  const [year, month, day] = a.split('-');
  const digits = (date: string) => date.replaceAll('-', '');
  if (isOneSlip(digits(a), digits(b)) || `${year}-${day}-${month}` === b) return 'close';
  return a.slice(0, 4) === b.slice(0, 4) ? 'alike' : 'different';
}

function agreementOfEmails(a: string, b: string): Agreement {
  if (a === b) return 'exact';
  const sameMailbox = a.slice(0, a.indexOf('@')) === b.slice(0, b.indexOf('@'));
  return sameMailbox || similarity(a, b) >= closeNames ? 'close' : 'different';
}

const plain = (text: string | null): string | null => joined(wordsOf(text)) || null;
const plainAddress = ({ street, city, region, postcode, country }: Address): Address => ({
  street: plain(street),
  city: plain(city),
  region: plain(region),
  postcode: plain(postcode),
  country,
});

function agreementOfAddresses(a: Address, b: Address): Agreement {
  const same = (x: string | null, y: string | null): boolean | null =>
    x === null || y === null ? null : similarity(x, y) >= closeStreets;
  const street = same(a.street, b.street);
  const postcode = a.postcode === null || b.postcode === null ? null : a.postcode === b.postcode;
  const city = same(a.city, b.city);
  if (street && (postcode || city)) return 'exact';
  if (street || (postcode && city)) return 'close';
  if (postcode || city) return 'alike';
  return street === null && postcode === null && city === null ? 'unknown' : 'different';
}
