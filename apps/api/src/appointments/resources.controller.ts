import { Body, Controller, Delete, Get, Param, Patch, Post, Put, Query } from '@nestjs/common';
import type { z } from 'zod';
import { CatalogueService, permissionOf, type ResourceId, type ServiceId } from '#domain/appointments';
import type { TenantContext } from '#infra/kernel';
import { Access, Ctx, IfMatch, PageQuery, type Paging, presentPage } from '../edge/index.js';
import {
  newResource,
  presentResource,
  resource,
  resourceChanges,
  resourceId,
  resourceList,
  resources,
  serviceId,
  skill,
  skills,
} from './catalogue.dto.js';

const read = {
  permission: permissionOf['catalogue.read'],
  audit: 'none',
  limit: 'read',
  caching: 'revalidate',
} as const;
const change = { permission: permissionOf['catalogue.change'], limit: 'write' } as const;

@Controller('api/v1/resources')
export class ResourcesController {
  constructor(private readonly catalogue: CatalogueService) {}

  @Get()
  @Access({ ...read, answers: resources, summary: 'Providers, rooms and devices, in order of creation' })
  async list(
    @Ctx() ctx: TenantContext,
    @Query({ schema: resourceList }) { locationId, kind }: z.infer<typeof resourceList>,
    @PageQuery() page: Paging<ResourceId>,
  ) {
    return presentPage(page, await this.catalogue.resources(ctx, { locationId, kind }, page), presentResource);
  }

  @Post()
  @Access({
    ...change,
    audit: 'resource.create',
    idempotency: 'accepted',
    status: 201,
    answers: resource,
    summary: 'Add a provider, a room or a device',
  })
  async create(@Ctx() ctx: TenantContext, @Body({ schema: newResource }) body: z.infer<typeof newResource>) {
    return presentResource(await this.catalogue.createResource(ctx, body));
  }

  @Get(':resourceId')
  @Access({ ...read, answers: resource, summary: 'One resource' })
  async get(@Ctx() ctx: TenantContext, @Param('resourceId', { schema: resourceId }) id: ResourceId) {
    return presentResource(await this.catalogue.resource(ctx, id));
  }

  @Patch(':resourceId')
  @Access({ ...change, audit: 'resource.change', answers: resource, summary: 'Change a resource' })
  async change(
    @Ctx() ctx: TenantContext,
    @Param('resourceId', { schema: resourceId }) id: ResourceId,
    @IfMatch() version: number,
    @Body({ schema: resourceChanges }) changes: z.infer<typeof resourceChanges>,
  ) {
    return presentResource(await this.catalogue.changeResource(ctx, id, version, changes));
  }

  @Get(':resourceId/services')
  @Access({ ...read, answers: skills, summary: 'The services that a resource can serve' })
  async skills(@Ctx() ctx: TenantContext, @Param('resourceId', { schema: resourceId }) id: ResourceId) {
    return { serviceIds: await this.catalogue.skills(ctx, id) };
  }

  @Put(':resourceId/services/:serviceId')
  @Access({ ...change, audit: 'resource.add_skill', answers: skill, summary: 'Let a resource serve a service' })
  async addSkill(
    @Ctx() ctx: TenantContext,
    @Param('resourceId', { schema: resourceId }) id: ResourceId,
    @Param('serviceId', { schema: serviceId }) served: ServiceId,
  ) {
    await this.catalogue.putSkill(ctx, id, served);
    return { resourceId: id, serviceId: served };
  }

  @Delete(':resourceId/services/:serviceId')
  @Access({
    ...change,
    audit: 'resource.remove_skill',
    status: 204,
    answers: null,
    summary: 'Let a resource serve a service no longer; visits that are booked keep it',
  })
  async removeSkill(
    @Ctx() ctx: TenantContext,
    @Param('resourceId', { schema: resourceId }) id: ResourceId,
    @Param('serviceId', { schema: serviceId }) served: ServiceId,
  ): Promise<void> {
    await this.catalogue.removeSkill(ctx, id, served);
  }
}
