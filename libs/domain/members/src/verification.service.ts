import { Injectable } from '@nestjs/common';
import { type Context, type Instant, isAppError, type TenantContext } from '#infra/kernel';
import type { CardClaim, CardCodes } from './card-code.js';
import { type CardRow, CardsRepository } from './cards.repository.js';
import { Identities } from './identities.js';
import type { Member } from './member.js';
import { demand } from './members.policy.js';
import { MembersRepository } from './members.repository.js';
import type { MembersParts } from './members.service.js';
import { type AssessedCard, type Validity, validities, validityOf } from './validity.js';

export const verdicts = [...validities, 'unknown'] as const;
export type Verdict = Validity | 'unknown';

/** What anybody who holds the code may know. */
export interface Verification {
  readonly result: Verdict;
  readonly checkedAt: Instant;
}

/** What staff of the card's own tenant see. */
export interface Inspection extends Verification {
  readonly card: AssessedCard | null;
  readonly member: Member | null;
}

/**
 * Is this card worth something right now? The status comes from the primary each time and is kept nowhere, so that no
 * verification that begins after a revocation's answer can miss it, whichever process is asked.
 */
@Injectable()
export class VerificationService {
  readonly #rows = new CardsRepository();
  readonly #members = new MembersRepository();
  readonly #identities: Identities;

  constructor(
    private readonly parts: MembersParts,
    private readonly codes: CardCodes,
  ) {
    this.#identities = new Identities(parts.crypto);
  }

  /** For anybody. Which tenant is asked stands in the code that we signed; the caller has no say in it. */
  async verify(ctx: Context, scan: string): Promise<Verification> {
    const claim = this.codes.read(scan);
    const inside = claim && (await this.#tenantOf(ctx, claim));
    const checkedAt = this.parts.clock.now();
    if (!claim || !inside) return { result: 'unknown', checkedAt };
    const card = await this.parts.sharding.read(inside, (tx) => this.#rows.read(tx, claim.cardId));
    const known = isOf(claim, card) ? card : undefined;
    await this.#record(inside, 'card.verify', known);
    return { result: known ? worthOf(known, checkedAt) : 'unknown', checkedAt };
  }

  /** For staff: whose card it is too. A card of another tenant is unknown here. */
  async inspect(ctx: TenantContext, scan: string): Promise<Inspection> {
    demand(ctx, 'card.inspect');
    const claim = this.codes.read(scan);
    const checkedAt = this.parts.clock.now();
    const found = claim?.tenantId === ctx.tenant.id ? await this.#held(ctx, claim) : null;
    await this.#record(ctx, 'card.inspect', found?.card);
    if (!found) return { result: 'unknown', checkedAt, card: null, member: null };
    const validity = worthOf(found.card, checkedAt);
    const { memberStatus: _, periods: __, ...card } = found.card;
    return { result: validity, checkedAt, card: { ...card, validity }, member: found.member };
  }

  async #held(ctx: TenantContext, claim: CardClaim) {
    const found = await this.parts.sharding.read(ctx, async (tx) => {
      const card = await this.#rows.read(tx, claim.cardId);
      const holder = isOf(claim, card) ? await this.#members.read(tx, card.memberId) : undefined;
      return card && holder ? { card, holder } : null;
    });
    return found && { card: found.card, member: await this.#identities.open(ctx, found.holder) };
  }

  /** Null where the tenant is gone or suspended: its cards are worth nothing then. */
  async #tenantOf(ctx: Context, { tenantId }: CardClaim): Promise<TenantContext | null> {
    try {
      const { id, plan, state } = await this.parts.sharding.tenants.byId(tenantId);
      return state === 'suspended' ? null : { ...ctx, tenant: { id, plan } };
    } catch (error) {
      if (isAppError(error, 'tenant.not_found')) return null;
      throw error;
    }
  }

  async #record(ctx: TenantContext, action: string, card: CardRow | undefined): Promise<void> {
    await this.parts.audit.recordRead(ctx, {
      action,
      resourceType: 'card',
      ...(card ? { resourceId: card.id, subjectIds: [card.memberId] } : { outcome: 'failure' }),
    });
  }
}

/** A version that the card never reached was never printed. */
const isOf = (claim: CardClaim, card: CardRow | undefined): card is CardRow =>
  card !== undefined && claim.version <= card.version;

const worthOf = ({ status, memberStatus, periods }: CardRow, at: Instant): Validity =>
  validityOf({ cardStatus: status, memberStatus, periods }, at);
