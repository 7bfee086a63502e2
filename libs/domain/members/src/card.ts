import type { Id, Instant } from '#infra/kernel';
import type { MemberId } from './member.js';

export type CardId = Id<'card'>;

export const cardStatuses = ['active', 'revoked'] as const;
export type CardStatus = (typeof cardStatuses)[number];

export const cardEvents = ['issued', 'revoked'] as const;
export type CardEvent = (typeof cardEvents)[number];

export const revocationReasons = ['lost', 'stolen', 'damaged', 'issued_in_error', 'membership_ended', 'other'] as const;
export type RevocationReason = (typeof revocationReasons)[number];

export interface Card {
  readonly id: CardId;
  readonly memberId: MemberId;
  readonly primary: boolean;
  readonly status: CardStatus;
  readonly reason: RevocationReason | null;
  readonly version: number;
  readonly issuedAt: Instant;
  readonly revokedAt: Instant | null;
}

/** One version of a card: what happened, why, and by whom. */
export interface CardHistoryEntry {
  readonly version: number;
  readonly event: CardEvent;
  readonly reason: RevocationReason | null;
  readonly actorKind: 'user' | 'system' | 'anonymous';
  readonly actorId: string | null;
  readonly at: Instant;
}
