import { Body, Controller, Get, Param, Patch, Post, Query } from '@nestjs/common';
import type { z } from 'zod';
import { CatalogueService, type LocationId, permissionOf } from '#domain/appointments';
import type { TenantContext } from '#infra/kernel';
import { Access, Ctx, IfMatch, PageQuery, type Paging, presentPage } from '../edge/index.js';
import {
  location,
  locationChanges,
  locationId,
  locationList,
  locations,
  newLocation,
  presentLocation,
} from './catalogue.dto.js';

const read = {
  permission: permissionOf['catalogue.read'],
  audit: 'none',
  limit: 'read',
  caching: 'revalidate',
} as const;
const change = { permission: permissionOf['catalogue.change'], limit: 'write' } as const;

@Controller('api/v1/locations')
export class LocationsController {
  constructor(private readonly catalogue: CatalogueService) {}

  @Get()
  @Access({ ...read, answers: locations, summary: 'Locations, in order of creation' })
  async list(
    @Ctx() ctx: TenantContext,
    @Query({ schema: locationList }) _query: z.infer<typeof locationList>,
    @PageQuery() page: Paging<LocationId>,
  ) {
    return presentPage(page, await this.catalogue.locations(ctx, page), presentLocation);
  }

  @Post()
  @Access({
    ...change,
    audit: 'location.create',
    idempotency: 'accepted',
    status: 201,
    answers: location,
    refusals: ['location.unknown_zone', 'quota.exceeded'],
    summary: 'Add a location with its time zone',
  })
  async create(@Ctx() ctx: TenantContext, @Body({ schema: newLocation }) body: z.infer<typeof newLocation>) {
    return presentLocation(await this.catalogue.createLocation(ctx, body));
  }

  @Get(':locationId')
  @Access({ ...read, answers: location, summary: 'One location' })
  async get(@Ctx() ctx: TenantContext, @Param('locationId', { schema: locationId }) id: LocationId) {
    return presentLocation(await this.catalogue.location(ctx, id));
  }

  @Patch(':locationId')
  @Access({
    ...change,
    audit: 'location.change',
    answers: location,
    refusals: ['quota.exceeded'],
    summary: 'Rename, close or reopen a location',
  })
  async change(
    @Ctx() ctx: TenantContext,
    @Param('locationId', { schema: locationId }) id: LocationId,
    @IfMatch() version: number,
    @Body({ schema: locationChanges }) changes: z.infer<typeof locationChanges>,
  ) {
    return presentLocation(await this.catalogue.changeLocation(ctx, id, version, changes));
  }
}
