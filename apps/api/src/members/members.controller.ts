import { Body, Controller, Get, Param, Post, Query, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import type { z } from 'zod';
import { CardsService, type MemberChange, type MemberId, MembersService, permissionOf } from '#domain/members';
import type { TenantContext } from '#infra/kernel';
import { Access, Ctx, IfMatch, PageQuery, type Paging, presentPage } from '../edge/index.js';
import { tellFreshness } from './freshness.js';
import {
  card,
  cards,
  filterOf,
  lookup,
  member,
  memberId,
  memberList,
  members,
  newCard,
  newMember,
  period,
  presentCard,
  presentMember,
} from './members.dto.js';

const read = { permission: permissionOf['member.read'], limit: 'read' } as const;
const manage = { permission: permissionOf['member.manage'], limit: 'write', answers: member } as const;
const change = { ...manage, idempotency: 'accepted', refusals: ['member.wrong_state'] } as const;
const refusedPeriods = ['membership.range_invalid', 'membership.unknown_zone'] as const;

@Controller('api/v1/members')
export class MembersController {
  constructor(
    private readonly members: MembersService,
    private readonly cards: CardsService,
  ) {}

  @Get()
  @Access({ ...read, audit: 'member.list', answers: members, summary: 'Members, in order of enrolment' })
  async list(
    @Ctx() ctx: TenantContext,
    @Query({ schema: memberList }) query: z.infer<typeof memberList>,
    @PageQuery() page: Paging<MemberId>,
  ) {
    return presentPage(page, await this.members.list(ctx, filterOf(query), page), presentMember);
  }

  @Post()
  @Access({
    ...manage,
    audit: 'member.enrol',
    idempotency: 'accepted',
    status: 201,
    refusals: ['member.already_enrolled', 'member.id_number_invalid', 'quota.exceeded', ...refusedPeriods],
    summary: 'Enrol a member; an id number once',
  })
  async enrol(@Ctx() ctx: TenantContext, @Body({ schema: newMember }) body: z.infer<typeof newMember>) {
    return presentMember(await this.members.enrol(ctx, body));
  }

  @Post('lookup')
  @Access({
    permission: permissionOf['member.lookup'],
    audit: 'member.lookup',
    limit: 'member-lookup',
    answers: member,
    refusals: ['member.id_number_invalid', 'member.not_found'],
    summary: 'Find a member by id number, which stays out of the URL',
  })
  async lookup(
    @Ctx() ctx: TenantContext,
    @Body({ schema: lookup }) body: z.infer<typeof lookup>,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    const seen = await this.members.sight(ctx, body.idScheme, body.idNumber);
    tellFreshness(reply, seen);
    return presentMember(seen.member);
  }

  @Get(':memberId')
  @Access({ ...read, audit: 'member.read', answers: member, summary: 'One member' })
  async get(@Ctx() ctx: TenantContext, @Param('memberId', { schema: memberId }) id: MemberId) {
    return presentMember(await this.members.read(ctx, id));
  }

  @Post(':memberId/suspend')
  @Access({ ...change, audit: 'member.suspend', summary: 'Suspend a member: cards are worth nothing until reinstated' })
  async suspend(
    @Ctx() ctx: TenantContext,
    @Param('memberId', { schema: memberId }) id: MemberId,
    @IfMatch() version: number,
  ) {
    return this.#change(ctx, id, version, 'suspend');
  }

  @Post(':memberId/reinstate')
  @Access({ ...change, audit: 'member.reinstate', summary: 'End a suspension' })
  async reinstate(
    @Ctx() ctx: TenantContext,
    @Param('memberId', { schema: memberId }) id: MemberId,
    @IfMatch() version: number,
  ) {
    return this.#change(ctx, id, version, 'reinstate');
  }

  @Post(':memberId/resign')
  @Access({ ...change, audit: 'member.resign', summary: 'End a member’s belonging for good' })
  async resign(
    @Ctx() ctx: TenantContext,
    @Param('memberId', { schema: memberId }) id: MemberId,
    @IfMatch() version: number,
  ) {
    return this.#change(ctx, id, version, 'resign');
  }

  @Post(':memberId/memberships')
  @Access({
    ...manage,
    audit: 'member.add_membership',
    idempotency: 'accepted',
    status: 201,
    refusals: ['membership.overlap', 'membership.too_many', 'member.wrong_state', ...refusedPeriods],
    summary: 'Add days on which somebody belongs; none twice',
  })
  async addMembership(
    @Ctx() ctx: TenantContext,
    @Param('memberId', { schema: memberId }) id: MemberId,
    @Body({ schema: period }) body: z.infer<typeof period>,
  ) {
    return presentMember(await this.members.addMembership(ctx, id, body));
  }

  @Get(':memberId/cards')
  @Access({
    permission: permissionOf['card.read'],
    limit: 'read',
    audit: 'card.list',
    answers: cards,
    summary: 'A member’s cards, newest first',
  })
  async cardsOf(@Ctx() ctx: TenantContext, @Param('memberId', { schema: memberId }) id: MemberId) {
    return { data: (await this.cards.ofMember(ctx, id)).map(presentCard) };
  }

  @Post(':memberId/cards')
  @Access({
    permission: permissionOf['card.issue'],
    limit: 'write',
    audit: 'card.issue',
    idempotency: 'accepted',
    status: 201,
    answers: card,
    refusals: ['card.primary_exists', 'card.too_many', 'member.wrong_state'],
    summary: 'Issue a card to an active member',
  })
  async issueCard(
    @Ctx() ctx: TenantContext,
    @Param('memberId', { schema: memberId }) id: MemberId,
    @Body({ schema: newCard }) body: z.infer<typeof newCard>,
  ) {
    return presentCard(await this.cards.issue(ctx, id, body.primary));
  }

  async #change(ctx: TenantContext, id: MemberId, version: number, verb: MemberChange) {
    return presentMember(await this.members.change(ctx, id, version, verb));
  }
}
