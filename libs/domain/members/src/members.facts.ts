import { z } from 'zod';
import { defineFact } from '#infra/queues';
import { permissionOf } from './members.policy.js';

const permission = permissionOf['member.read'];
const rooms = () => [{ of: 'tenant' }] as const;
const version = z.int().min(1);

const enrolled = defineFact({
  name: 'member.enrolled',
  payload: z.strictObject({ memberId: z.uuid(), version }),
  permission,
  rooms,
});
const cardPayload = z.strictObject({ cardId: z.uuid(), memberId: z.uuid(), version });
const issued = defineFact({ name: 'card.issued', payload: cardPayload, permission, rooms });
const revoked = defineFact({ name: 'card.revoked', payload: cardPayload, permission, rooms });

/** What the tenant's own listeners are told: which member or card, never whose name it bears. */
export const memberFacts = [enrolled, issued, revoked] as const;

interface Versioned {
  readonly id: string;
  readonly version: number;
}

export const enrolledFact = ({ id, version: at }: Versioned) => enrolled.entry(id, { memberId: id, version: at });

/** The version tells which of two facts about a card is newer. */
export const cardFact = (
  event: 'issued' | 'revoked',
  { id, memberId, version: at }: Versioned & { readonly memberId: string },
) => (event === 'issued' ? issued : revoked).entry(id, { cardId: id, memberId, version: at });
