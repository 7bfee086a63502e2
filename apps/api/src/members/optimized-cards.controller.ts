import { Controller, Get, Param, Post, Query, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import type { z } from 'zod';
import { CardsService, type MemberId, MembersService, permissionOf } from '#domain/members';
import { Cache } from '#infra/cache';
import type { TenantContext } from '#infra/kernel';
import { Access, Ctx } from '../edge/index.js';
import { tellFreshness } from './freshness.js';
import {
  cardCaches,
  generatedCard,
  idNumber,
  lookupQuery,
  member,
  memberId,
  presentCardCaches,
  presentGenerated,
  presentMember,
} from './members.dto.js';

/** Paths that earlier clients call; each is another way to a route under /members. */
@Controller('api/v1/optimized-cards')
export class OptimizedCardsController {
  constructor(
    private readonly members: MembersService,
    private readonly cards: CardsService,
    private readonly cache: Cache,
  ) {}

  @Get('member/:idNumber')
  @Access({
    permission: permissionOf['member.lookup'],
    audit: 'member.lookup',
    limit: 'member-lookup',
    answers: member,
    refusals: ['member.id_number_invalid'],
    summary: 'Find a member by id number; better POST /api/v1/members/lookup, which keeps it out of the URL',
  })
  async lookup(
    @Ctx() ctx: TenantContext,
    @Param('idNumber', { schema: idNumber }) number: string,
    @Query({ schema: lookupQuery }) { idScheme }: z.infer<typeof lookupQuery>,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    const seen = await this.members.sight(ctx, idScheme, number);
    tellFreshness(reply, seen);
    return presentMember(seen.member);
  }

  @Post('generate-data/:memberId')
  @Access({
    permission: permissionOf['card.print'],
    audit: 'card.generate',
    limit: 'card-generation',
    answers: generatedCard,
    summary: 'The member’s primary card with its QR code, ready to show; nothing is issued',
  })
  async generate(@Ctx() ctx: TenantContext, @Param('memberId', { schema: memberId }) id: MemberId) {
    return presentGenerated(await this.cards.generate(ctx, id));
  }

  @Get('cache-stats')
  @Access({
    permission: permissionOf['member.read'],
    audit: 'none',
    limit: 'read',
    answers: cardCaches,
    summary: 'What this process has seen of the caches of members, cards, QR codes and printed cards',
  })
  cacheStats(@Ctx() ctx: TenantContext) {
    return presentCardCaches(this.cache.stats(ctx));
  }
}
