import { Controller, Get, Query } from '@nestjs/common';
import type { z } from 'zod';
import { AvailabilityService, permissionOf } from '#domain/appointments';
import type { TenantContext } from '#infra/kernel';
import { Access, Ctx } from '../edge/index.js';
import { availability, availabilityQuery, presentAvailability } from './appointments.dto.js';

@Controller('api/v1/availability')
export class AvailabilityController {
  constructor(private readonly availability: AvailabilityService) {}

  @Get()
  @Access({
    permission: permissionOf['availability.find'],
    audit: 'none',
    limit: 'read',
    answers: availability,
    refusals: [
      'availability.range_invalid',
      'availability.location_required',
      'availability.provider_not_choosable',
      'availability.search_too_wide',
      'service.inactive',
      'location.inactive',
    ],
    summary: 'Free starts of a service, by local date',
  })
  async find(
    @Ctx() ctx: TenantContext,
    @Query({ schema: availabilityQuery }) query: z.infer<typeof availabilityQuery>,
  ) {
    return presentAvailability(await this.availability.find(ctx, query));
  }
}
