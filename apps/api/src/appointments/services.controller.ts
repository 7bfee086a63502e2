import { Body, Controller, Get, Param, Patch, Post, Query } from '@nestjs/common';
import type { z } from 'zod';
import { CatalogueService, permissionOf, type ServiceId } from '#domain/appointments';
import type { TenantContext } from '#infra/kernel';
import { Access, Ctx, IfMatch, PageQuery, type Paging, presentPage } from '../edge/index.js';
import {
  newService,
  presentService,
  service,
  serviceChanges,
  serviceId,
  serviceList,
  services,
} from './catalogue.dto.js';

const read = {
  permission: permissionOf['catalogue.read'],
  audit: 'none',
  limit: 'read',
  caching: 'revalidate',
} as const;
const change = { permission: permissionOf['catalogue.change'], limit: 'write' } as const;

@Controller('api/v1/services')
export class ServicesController {
  constructor(private readonly catalogue: CatalogueService) {}

  @Get()
  @Access({ ...read, answers: services, summary: 'Services, in order of creation' })
  async list(
    @Ctx() ctx: TenantContext,
    @Query({ schema: serviceList }) _query: z.infer<typeof serviceList>,
    @PageQuery() page: Paging<ServiceId>,
  ) {
    return presentPage(page, await this.catalogue.services(ctx, page), presentService);
  }

  @Post()
  @Access({
    ...change,
    audit: 'service.create',
    idempotency: 'accepted',
    status: 201,
    answers: service,
    refusals: ['service.segments_too_long', 'quota.exceeded'],
    summary: 'Add a service and the segments that it takes of providers, rooms and devices',
  })
  async create(@Ctx() ctx: TenantContext, @Body({ schema: newService }) body: z.infer<typeof newService>) {
    return presentService(await this.catalogue.createService(ctx, body));
  }

  @Get(':serviceId')
  @Access({ ...read, remembered: 'service', answers: service, summary: 'One service' })
  async get(@Ctx() ctx: TenantContext, @Param('serviceId', { schema: serviceId }) id: ServiceId) {
    return presentService(await this.catalogue.service(ctx, id));
  }

  @Patch(':serviceId')
  @Access({
    ...change,
    audit: 'service.change',
    answers: service,
    refusals: ['service.segments_too_long', 'quota.exceeded'],
    summary: 'Change a service; visits that are booked stay as they are',
  })
  async change(
    @Ctx() ctx: TenantContext,
    @Param('serviceId', { schema: serviceId }) id: ServiceId,
    @IfMatch() version: number,
    @Body({ schema: serviceChanges }) changes: z.infer<typeof serviceChanges>,
  ) {
    return presentService(await this.catalogue.changeService(ctx, id, version, changes));
  }
}
