import { type Context, may } from '#infra/kernel';
import { fail } from './members.errors.js';

/** The permission that each verb asks for. Verifying a card without a login asks for none and shows next to nothing. */
export const permissionOf = {
  'member.read': 'members.read',
  'member.lookup': 'members.lookup',
  'member.manage': 'members.manage',
  'card.read': 'members.read',
  'card.issue': 'cards.issue',
  'card.revoke': 'cards.issue',
  'card.print': 'cards.issue',
  'card.inspect': 'cards.verify',
} as const;
export type MemberVerb = keyof typeof permissionOf;

export const mayDo = (ctx: Context, verb: MemberVerb): boolean => may(ctx, permissionOf[verb]);

export function demand(ctx: Context, verb: MemberVerb): void {
  if (!mayDo(ctx, verb)) throw fail('member.forbidden', { internal: verb });
}
