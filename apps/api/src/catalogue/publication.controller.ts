import { Body, Controller, Get, Put } from '@nestjs/common';
import type { z } from 'zod';
import { PublicCatalogueService, permissionOf } from '#domain/appointments';
import type { TenantContext } from '#infra/kernel';
import { Access, Ctx, IfMatch } from '../edge/index.js';
import { newPublication, presentPublication, publication } from './public-catalogue.dto.js';

@Controller('api/v1/settings/catalogue')
export class PublicationController {
  constructor(private readonly catalogue: PublicCatalogueService) {}

  @Get()
  @Access({
    permission: permissionOf['catalogue.read'],
    audit: 'none',
    limit: 'read',
    caching: 'revalidate',
    answers: publication,
    summary: 'Whether services and locations are shown to everybody',
  })
  async get(@Ctx() ctx: TenantContext) {
    return presentPublication(await this.catalogue.publication(ctx));
  }

  @Put()
  @Access({
    permission: permissionOf['catalogue.publish'],
    audit: 'catalogue.publish',
    limit: 'write',
    answers: publication,
    summary: 'Show services and locations to everybody, or no longer',
  })
  async change(
    @Ctx() ctx: TenantContext,
    @IfMatch() version: number,
    @Body({ schema: newPublication }) body: z.infer<typeof newPublication>,
  ) {
    return presentPublication(await this.catalogue.publish(ctx, version, body.open));
  }
}
