import { Controller, Get, Param } from '@nestjs/common';
import { PublicCatalogueService } from '#domain/appointments';
import type { Context } from '#infra/kernel';
import { Access, Ctx } from '../edge/index.js';
import { presentLocations, presentServices, publicLocations, publicServices, slug } from './public-catalogue.dto.js';

/** Names of what is offered, about nobody: browsers and whatever stands between may keep it. */
const open = { permission: 'public', audit: 'none', limit: 'public', caching: 'public' } as const;

@Controller('api/v1/catalogues/:slug')
export class CataloguesController {
  constructor(private readonly catalogue: PublicCatalogueService) {}

  @Get('services')
  @Access({
    ...open,
    answers: publicServices,
    refusals: ['catalogue.not_found'],
    summary: 'What a clinic offers, for anybody, where the clinic has opened its catalogue; 1,000 at most',
  })
  async services(@Ctx() ctx: Context, @Param('slug', { schema: slug }) of: string) {
    return presentServices(await this.catalogue.services(ctx, of));
  }

  @Get('locations')
  @Access({
    ...open,
    answers: publicLocations,
    refusals: ['catalogue.not_found'],
    summary: 'Where a clinic is, for anybody, where the clinic has opened its catalogue; 1,000 at most',
  })
  async locations(@Ctx() ctx: Context, @Param('slug', { schema: slug }) of: string) {
    return presentLocations(await this.catalogue.locations(ctx, of));
  }
}
