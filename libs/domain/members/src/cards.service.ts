import { Injectable } from '@nestjs/common';
import { newId, type TenantContext } from '#infra/kernel';
import type { WriteContext } from '#infra/sharding';
import type { Card, CardEvent, CardHistoryEntry, CardId, RevocationReason } from './card.js';
import type { CardCodes } from './card-code.js';
import type { CardFace, CardPictures } from './card-pictures.js';
import { type CardRow, CardsRepository } from './cards.repository.js';
import { type MemberId, memberLimits } from './member.js';
import { fail } from './members.errors.js';
import { cardFact } from './members.facts.js';
import { demand } from './members.policy.js';
import { MembersRepository } from './members.repository.js';
import type { MembersParts } from './members.service.js';
import type { QrFormat } from './qr-image.js';
import { type AssessedCard, validityOf } from './validity.js';

/** The most versions of one card that its history shows. */
const historyMax = 100;

export interface GeneratedCard {
  readonly card: AssessedCard;
  readonly face: CardFace;
}

/** Cards of members: issued, printed, revoked. Nothing about them is deleted. */
@Injectable()
export class CardsService {
  readonly #rows = new CardsRepository();
  readonly #members = new MembersRepository();

  constructor(
    private readonly parts: MembersParts,
    private readonly codes: CardCodes,
    private readonly pictures: CardPictures,
  ) {}

  /** To an active member; one primary card at a time, and five active ones in all. */
  async issue(ctx: TenantContext, memberId: MemberId, primary: boolean): Promise<AssessedCard> {
    demand(ctx, 'card.issue');
    return this.parts.sharding.writeOnce(ctx, async (tx) => {
      const [member, count] = await Promise.all([
        this.#members.readForUpdate(tx, memberId),
        this.#rows.count(tx, memberId),
      ]);
      if (!member) throw fail('member.not_found');
      if (member.status !== 'active') throw fail('member.wrong_state', { internal: `card for ${member.status}` });
      if (count.active >= memberLimits.activeCards || count.all >= memberLimits.cards) throw fail('card.too_many');
      const card: Card = {
        id: newId<CardId>(),
        memberId,
        primary,
        status: 'active',
        reason: null,
        version: 1,
        issuedAt: this.parts.clock.now(),
        revokedAt: null,
      };
      await this.#rows.insert(tx, card);
      await this.#announce(tx, 'issued', card);
      return this.#assessed({ ...card, memberStatus: member.status, periods: member.memberships });
    });
  }

  /** For ever: from the answer on, no verification anywhere says valid. */
  async revoke(
    ctx: TenantContext,
    id: CardId,
    expectedVersion: number,
    reason: RevocationReason,
  ): Promise<AssessedCard> {
    demand(ctx, 'card.revoke');
    return this.parts.sharding.writeOnce(ctx, async (tx) => {
      const current = await this.#rows.readForUpdate(tx, id);
      if (!current) throw fail('card.not_found');
      if (current.version !== expectedVersion)
        throw fail('card.version_conflict', { extra: { currentVersion: current.version } });
      if (current.status === 'revoked') throw fail('card.revoked');
      const revokedAt = this.parts.clock.now();
      const next = { ...current, status: 'revoked' as const, reason, version: current.version + 1, revokedAt };
      this.#rows.update(tx, next);
      await this.#announce(tx, 'revoked', next);
      return this.#assessed(next);
    });
  }

  async read(ctx: TenantContext, id: CardId): Promise<AssessedCard> {
    demand(ctx, 'card.read');
    const card = await this.#find(ctx, id);
    await this.#recordRead(ctx, 'card.read', card);
    return this.#assessed(card);
  }

  /** Newest first, at most 200: all that a member may have. */
  async ofMember(ctx: TenantContext, memberId: MemberId): Promise<readonly AssessedCard[]> {
    demand(ctx, 'card.read');
    const [member, cards] = await this.#read(ctx, memberId);
    if (!member) throw fail('member.not_found');
    await this.parts.audit.recordRead(ctx, {
      action: 'card.list',
      resourceType: 'card',
      subjectIds: [memberId, ...cards.map(({ id }) => id)],
    });
    return cards.map((card) => this.#assessed(card));
  }

  /** Every version, oldest first. */
  async history(ctx: TenantContext, id: CardId): Promise<readonly CardHistoryEntry[]> {
    demand(ctx, 'card.read');
    const [card, entries] = await this.parts.sharding.read(ctx, (tx) =>
      Promise.all([this.#rows.read(tx, id), this.#rows.history(tx, id, historyMax)]),
    );
    if (!card) throw fail('card.not_found');
    await this.#recordRead(ctx, 'card.history', card);
    return entries;
  }

  /** The card’s QR code; a revoked card has none. */
  async print(ctx: TenantContext, id: CardId, format: QrFormat): Promise<Buffer> {
    demand(ctx, 'card.print');
    const card = await this.#find(ctx, id);
    if (this.#assessed(card).validity === 'revoked') throw fail('card.revoked');
    await this.#recordRead(ctx, 'card.print', card);
    return this.pictures.draw(ctx, this.#codeOf(ctx, card), format);
  }

  /** The member’s primary card and all that an app shows of it. Nothing is issued. */
  async generate(ctx: TenantContext, memberId: MemberId): Promise<GeneratedCard> {
    demand(ctx, 'card.print');
    const [member, cards] = await this.#read(ctx, memberId);
    if (!member) throw fail('member.not_found');
    const card = cards.find(({ primary, status }) => primary && status === 'active');
    if (!card) throw fail('card.not_found');
    await this.#recordRead(ctx, 'card.generate', card);
    return { card: this.#assessed(card), face: await this.pictures.face(ctx, this.#codeOf(ctx, card)) };
  }

  #codeOf({ tenant }: TenantContext, { id, version }: Card): string {
    return this.codes.write({ tenantId: tenant.id, cardId: id, version });
  }

  #read(ctx: TenantContext, memberId: MemberId) {
    return this.parts.sharding.read(ctx, (tx) =>
      Promise.all([this.#members.read(tx, memberId), this.#rows.ofMember(tx, memberId, memberLimits.cards)]),
    );
  }

  async #find(ctx: TenantContext, id: CardId): Promise<CardRow> {
    const card = await this.parts.sharding.read(ctx, (tx) => this.#rows.read(tx, id));
    if (!card) throw fail('card.not_found');
    return card;
  }

  #assessed({ memberStatus, periods, ...card }: CardRow): AssessedCard {
    const standing = { cardStatus: card.status, memberStatus, periods };
    return { ...card, validity: validityOf(standing, this.parts.clock.now()) };
  }

  async #announce(tx: WriteContext, event: CardEvent, card: Card): Promise<void> {
    this.#rows.remember(tx, event, card);
    await this.parts.outbox.append(tx, cardFact(event, card));
    await this.parts.audit.record(tx, {
      action: event === 'issued' ? 'card.issue' : 'card.revoke',
      resourceType: 'card',
      resourceId: card.id,
      subjectIds: [card.memberId],
      versionTo: card.version,
      ...(event === 'issued' ? {} : { versionFrom: card.version - 1 }),
    });
  }

  async #recordRead(ctx: TenantContext, action: string, { id, memberId }: Card): Promise<void> {
    await this.parts.audit.recordRead(ctx, { action, resourceType: 'card', resourceId: id, subjectIds: [memberId] });
  }
}
