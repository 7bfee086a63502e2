import { Body, Controller, Delete, Get, Post, Query } from '@nestjs/common';
import type { z } from 'zod';
import type { TenantContext } from '#infra/kernel';
import { TenantBlocks, TenantNetworks } from '#infra/throttling';
import { Access, Ctx } from '../edge/index.js';
import {
  blocksAnswer,
  networkAnswer,
  networkBody,
  networksAnswer,
  presentBlock,
  presentNetwork,
  unblockBody,
} from './limits.dto.js';

const see = { permission: 'operations.read', limit: 'read' } as const;
const change = { permission: 'users.manage', limit: 'write' } as const;

/** Who of the tenant is blocked for abuse, and where its people work. */
@Controller('api/v1/admin/limits')
export class LimitsController {
  constructor(
    private readonly blocks: TenantBlocks,
    private readonly networks: TenantNetworks,
  ) {}

  @Get('blocks')
  @Access({
    ...see,
    audit: 'limit.list_blocks',
    answers: blocksAnswer,
    refusals: ['limit.away'],
    summary:
      'Users of the tenant, and addresses in its networks, that are blocked for exceeding limits again and again',
  })
  async list(@Ctx() ctx: TenantContext) {
    return { blocks: (await this.blocks.list(ctx)).map(presentBlock) };
  }

  @Post('unblock')
  @Access({
    ...change,
    audit: 'limit.unblock',
    answers: null,
    status: 204,
    refusals: ['limit.unknown', 'limit.away'],
    summary: 'Lift the block of a user; applies everywhere within 10 s. That of an address is the operator’s to lift',
  })
  async unblock(
    @Ctx() ctx: TenantContext,
    @Body({ schema: unblockBody }) { userId }: z.infer<typeof unblockBody>,
  ): Promise<void> {
    await this.blocks.lift(ctx, { kind: 'user', tenantId: ctx.tenant.id, userId });
  }

  @Get('networks')
  @Access({
    ...see,
    audit: 'none',
    answers: networksAnswer,
    summary: 'Networks where the tenant’s people share an address; its limits do not count them there',
  })
  async listNetworks(@Ctx() ctx: TenantContext) {
    return { networks: (await this.networks.list(ctx)).map(presentNetwork) };
  }

  @Post('networks')
  @Access({
    ...change,
    audit: 'network.add',
    answers: networkAnswer,
    status: 201,
    refusals: ['network.taken', 'network.too_wide', 'network.too_many'],
    summary: 'List a network as the tenant’s own; applies everywhere within 60 s',
  })
  async addNetwork(@Ctx() ctx: TenantContext, @Body({ schema: networkBody }) { network }: z.infer<typeof networkBody>) {
    return presentNetwork(await this.networks.add(ctx, network));
  }

  @Delete('networks')
  @Access({
    ...change,
    audit: 'network.remove',
    answers: null,
    status: 204,
    refusals: ['network.unknown', 'network.too_wide'],
    summary: 'No longer the tenant’s own; applies everywhere within 60 s',
  })
  async removeNetwork(
    @Ctx() ctx: TenantContext,
    @Query({ schema: networkBody }) { network }: z.infer<typeof networkBody>,
  ): Promise<void> {
    await this.networks.remove(ctx, network);
  }
}
