import { Controller, Get, Param, Query } from '@nestjs/common';
import type { z } from 'zod';
import { MembersService, permissionOf } from '#domain/members';
import type { TenantContext } from '#infra/kernel';
import { Access, Ctx } from '../edge/index.js';
import { idNumber, lookupQuery, member, presentMember } from './members.dto.js';

/** Paths that earlier clients call; each is another way to a route under /members. */
@Controller('api/v1/optimized-cards')
export class OptimizedCardsController {
  constructor(private readonly members: MembersService) {}

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
  ) {
    return presentMember(await this.members.lookup(ctx, idScheme, number));
  }
}
