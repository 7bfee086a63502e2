import type { Id, Instant } from '#infra/kernel';
import type { LocalDate } from '#infra/time';
import type { IdScheme } from './id-scheme.js';

export type MemberId = Id<'member'>;
export type MembershipId = Id<'membership'>;

export const memberStatuses = ['active', 'suspended', 'resigned'] as const;
export type MemberStatus = (typeof memberStatuses)[number];

export const memberChanges = ['suspend', 'reinstate', 'resign'] as const;
export type MemberChange = (typeof memberChanges)[number];

export const memberLimits = { nameLength: 120, memberships: 100, activeCards: 5, cards: 200 } as const;

export interface MemberName {
  readonly given: string;
  readonly family: string;
}

/** Days on which somebody belongs, of the calendar of `tz`: `from` is the first, `until` the first no longer. */
export interface Period {
  readonly from: LocalDate;
  /** Null: until further notice. */
  readonly until: LocalDate | null;
  readonly tz: string;
}

export interface Membership extends Period {
  readonly id: MembershipId;
}

export interface Member {
  readonly id: MemberId;
  readonly version: number;
  /** Nine digits that people say and type; the last is a check digit. */
  readonly memberNo: string;
  readonly status: MemberStatus;
  readonly name: MemberName;
  readonly idNumber: { readonly scheme: IdScheme; readonly masked: string };
  /** Oldest first. */
  readonly memberships: readonly Membership[];
  readonly createdAt: Instant;
  readonly updatedAt: Instant;
}

export interface NewMember {
  readonly name: MemberName;
  readonly idScheme: IdScheme;
  readonly idNumber: string;
  readonly membership: Period;
}

const transitions: Readonly<Record<MemberStatus, Readonly<Partial<Record<MemberChange, MemberStatus>>>>> = {
  active: { suspend: 'suspended', resign: 'resigned' },
  suspended: { reinstate: 'active', resign: 'resigned' },
  resigned: {},
};

/** The status after a change, or null where the state machine has no such arrow. */
export const statusAfter = (status: MemberStatus, change: MemberChange): MemberStatus | null =>
  transitions[status][change] ?? null;

const counterDigits = 8;

/** Eight digits of the tenant's counter and their check digit. */
export function memberNoOf(count: number): string {
  const digits = String(count).padStart(counterDigits, '0');
  return digits + String(damm(digits));
}

/** True where the check digit fits: any one wrong digit and any two neighbours swapped are noticed. */
export const isMemberNo = (text: string): boolean => /^[0-9]{9}$/.test(text) && damm(text) === 0;

/** Damm's totally anti-symmetric quasigroup of order 10 (H. M. Damm, 2004). */
const quasigroup = [
  '0317598642',
  '7092154863',
  '4206871359',
  '1750983426',
  '6123045978',
  '3674209581',
  '5869720134',
  '8945362017',
  '9438617205',
  '2581436790',
];

const damm = (digits: string): number =>
  [...digits].reduce((interim, digit) => Number(quasigroup[interim]?.[Number(digit)]), 0);
