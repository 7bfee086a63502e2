import { Body, Controller, Get, Header, Param, Post } from '@nestjs/common';
import type { z } from 'zod';
import { type CardId, CardsService, permissionOf, VerificationService } from '#domain/members';
import type { Context, TenantContext } from '#infra/kernel';
import { Access, Ctx, IfMatch } from '../edge/index.js';
import {
  card,
  cardHistory,
  cardId,
  inspection,
  presentCard,
  presentHistory,
  presentInspection,
  presentVerification,
  revocation,
  scanned,
  verification,
} from './members.dto.js';

const read = { permission: permissionOf['card.read'], limit: 'read' } as const;
const print = {
  permission: permissionOf['card.print'],
  limit: 'read',
  audit: 'card.print',
  answers: null,
  refusals: ['card.revoked'],
} as const;

@Controller('api/v1/cards')
export class CardsController {
  constructor(
    private readonly cards: CardsService,
    private readonly verification: VerificationService,
  ) {}

  @Post('verify')
  @Access({
    permission: 'public',
    audit: 'card.verify',
    limit: 'public',
    importance: 'critical',
    answers: verification,
    summary: 'Is the card behind this scan worth something now? For anybody; says nothing else',
  })
  async verify(@Ctx() ctx: Context, @Body({ schema: scanned }) body: z.infer<typeof scanned>) {
    return presentVerification(await this.verification.verify(ctx, body.scan), body);
  }

  @Post('inspect')
  @Access({
    permission: permissionOf['card.inspect'],
    audit: 'card.inspect',
    limit: 'read',
    importance: 'critical',
    answers: inspection,
    summary: 'The same for staff of the card’s own organisation, with the card and its member',
  })
  async inspect(@Ctx() ctx: TenantContext, @Body({ schema: scanned }) body: z.infer<typeof scanned>) {
    return presentInspection(await this.verification.inspect(ctx, body.scan), body);
  }

  @Get(':cardId')
  @Access({ ...read, audit: 'card.read', standing: 'now', answers: card, summary: 'One card and what it is worth now' })
  async get(@Ctx() ctx: TenantContext, @Param('cardId', { schema: cardId }) id: CardId) {
    return presentCard(await this.cards.read(ctx, id));
  }

  @Get(':cardId/history')
  @Access({ ...read, audit: 'card.history', answers: cardHistory, summary: 'Every version of a card, oldest first' })
  async history(@Ctx() ctx: TenantContext, @Param('cardId', { schema: cardId }) id: CardId) {
    return presentHistory(await this.cards.history(ctx, id));
  }

  @Get(':cardId/qr.svg')
  @Header('content-type', 'image/svg+xml')
  @Access({ ...print, summary: 'The card’s QR code as SVG' })
  async svg(@Ctx() ctx: TenantContext, @Param('cardId', { schema: cardId }) id: CardId): Promise<Buffer> {
    return this.cards.print(ctx, id, 'svg');
  }

  @Get(':cardId/qr.png')
  @Header('content-type', 'image/png')
  @Access({ ...print, summary: 'The card’s QR code as PNG, one bit per pixel' })
  async png(@Ctx() ctx: TenantContext, @Param('cardId', { schema: cardId }) id: CardId): Promise<Buffer> {
    return this.cards.print(ctx, id, 'png');
  }

  @Post(':cardId/revoke')
  @Access({
    permission: permissionOf['card.revoke'],
    audit: 'card.revoke',
    limit: 'write',
    idempotency: 'accepted',
    answers: card,
    refusals: ['card.revoked'],
    summary: 'Revoke a card for good; from the answer on it verifies as revoked everywhere',
  })
  async revoke(
    @Ctx() ctx: TenantContext,
    @Param('cardId', { schema: cardId }) id: CardId,
    @IfMatch() version: number,
    @Body({ schema: revocation }) body: z.infer<typeof revocation>,
  ) {
    return presentCard(await this.cards.revoke(ctx, id, version, body.reason));
  }
}
