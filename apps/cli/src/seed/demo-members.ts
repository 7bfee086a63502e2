import type { INestApplicationContext } from '@nestjs/common';
import { CardsService, type MemberId, MembersService, type NewMember } from '#domain/members';
import { isAppError, type TenantContext } from '#infra/kernel';
import type { LocalDate } from '#infra/time';

const memberSince = '2026-01-01' as LocalDate;
const tz = 'America/Vancouver';

const member = (given: string, family: string, idNumber: string): NewMember => ({
  name: { given, family },
  idScheme: 'generic',
  idNumber,
  membership: { from: memberSince, until: null, tz },
});

export const clinicMembers = [member('Robin', 'Example', 'DEMO100200300')] as const;
export const clubMembers = [
  member('Amara', 'Diallo', 'DEMO200300401'),
  member('Jonas', 'Weber', 'DEMO200300402'),
  member('Priya', 'Raman', 'DEMO200300403'),
  member('Lucía', 'Ortega', 'DEMO200300404'),
  member('Tomasz', 'Zielinski', 'DEMO200300405'),
] as const;

/** Each with a membership and a primary card; their ids in the order given. Finds by id number who is enrolled. */
export async function seedMembers(
  product: INestApplicationContext,
  ctx: TenantContext,
  members: readonly NewMember[],
): Promise<readonly MemberId[]> {
  const ids: MemberId[] = [];
  for (const one of members) {
    const id = await enrolOrFind(product.get(MembersService), ctx, one);
    await issuePrimary(product.get(CardsService), ctx, id);
    ids.push(id);
  }
  return ids;
}

async function enrolOrFind(members: MembersService, ctx: TenantContext, one: NewMember): Promise<MemberId> {
  try {
    return (await members.lookup(ctx, one.idScheme, one.idNumber)).id;
  } catch (error) {
    if (!isAppError(error, 'member.not_found')) throw error;
    return (await members.enrol(ctx, one)).id;
  }
}

/** Only for a member who never had a card: one that somebody revoked stays revoked. */
async function issuePrimary(cards: CardsService, ctx: TenantContext, id: MemberId): Promise<void> {
  if ((await cards.ofMember(ctx, id)).length === 0) await cards.issue(ctx, id, true);
}
