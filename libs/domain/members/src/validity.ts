import type { Instant } from '#infra/kernel';
import { localDateOf, minuteOfInstant } from '#infra/time';
import type { Card, CardStatus } from './card.js';
import type { MemberStatus, Period } from './member.js';

export const validities = ['valid', 'not_yet_valid', 'expired', 'suspended', 'revoked'] as const;
export type Validity = (typeof validities)[number];

/** A card and what it is worth at the moment of the answer. */
export interface AssessedCard extends Card {
  readonly validity: Validity;
}

/** All that decides what a card is worth. */
export interface Standing {
  readonly cardStatus: CardStatus;
  readonly memberStatus: MemberStatus;
  readonly periods: readonly Period[];
}

/**
 * The only place where it is decided. `valid` exactly when the card is active, the member is active, and a membership
 * covers the day that the calendar of its zone shows at the instant. What is graver is said first.
 */
export function validityOf({ cardStatus, memberStatus, periods }: Standing, at: Instant): Validity {
  if (cardStatus === 'revoked') return 'revoked';
  if (memberStatus === 'resigned') return 'expired';
  if (memberStatus === 'suspended') return 'suspended';
  const phases = periods.map((period) => phaseOf(period, at));
  if (phases.includes('covers')) return 'valid';
  return phases.includes('ahead') ? 'not_yet_valid' : 'expired';
}

function phaseOf({ from, until, tz }: Period, at: Instant): 'ahead' | 'covers' | 'over' {
  const today = localDateOf(minuteOfInstant(at), tz);
  if (today < from) return 'ahead';
  return until === null || today < until ? 'covers' : 'over';
}
