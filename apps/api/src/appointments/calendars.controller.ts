import { Body, Controller, Delete, Get, Param, Post, Put, Query } from '@nestjs/common';
import type { z } from 'zod';
import { type BlockId, type BlockKey, CalendarService, permissionOf, type ResourceId } from '#domain/appointments';
import type { TenantContext } from '#infra/kernel';
import { type LocalDate, minuteOfInstant } from '#infra/time';
import { Access, Ctx, IfMatch, PageQuery, type Paging, presentPage } from '../edge/index.js';
import {
  block,
  blockId,
  blockList,
  blockOf,
  blocks,
  date,
  newBlock,
  override,
  overrideInput,
  overrideOf,
  overrideRange,
  overrides,
  presentBlock,
  presentOverride,
  presentSchedule,
  schedule,
  scheduleInput,
  schedulesOf,
} from './calendar.dto.js';
import { resourceId } from './catalogue.dto.js';

const read = {
  permission: permissionOf['catalogue.read'],
  audit: 'none',
  limit: 'read',
  caching: 'revalidate',
} as const;
const change = { permission: permissionOf['catalogue.change'], limit: 'write' } as const;

@Controller('api/v1/resources/:resourceId')
export class CalendarsController {
  constructor(private readonly calendar: CalendarService) {}

  @Get('schedule')
  @Access({ ...read, answers: schedule, summary: 'Weekly hours by date, in local wall time' })
  async schedule(@Ctx() ctx: TenantContext, @Param('resourceId', { schema: resourceId }) id: ResourceId) {
    return presentSchedule(await this.calendar.schedule(ctx, id));
  }

  @Put('schedule')
  @Access({
    ...change,
    audit: 'resource.put_schedule',
    answers: schedule,
    refusals: ['schedule.overlap'],
    summary: 'Replace all weekly hours; If-Match is the version of the resource',
  })
  async putSchedule(
    @Ctx() ctx: TenantContext,
    @Param('resourceId', { schema: resourceId }) id: ResourceId,
    @IfMatch() version: number,
    @Body({ schema: scheduleInput }) body: z.infer<typeof scheduleInput>,
  ) {
    return presentSchedule(await this.calendar.putSchedule(ctx, id, version, schedulesOf(body)));
  }

  @Get('overrides')
  @Access({ ...read, answers: overrides, summary: 'Days that are not as usual, at most 366 days' })
  async overrides(
    @Ctx() ctx: TenantContext,
    @Param('resourceId', { schema: resourceId }) id: ResourceId,
    @Query({ schema: overrideRange }) { from, to }: z.infer<typeof overrideRange>,
  ) {
    return { data: (await this.calendar.overrides(ctx, id, from, to)).map(presentOverride) };
  }

  @Put('overrides/:date')
  @Access({
    ...change,
    audit: 'resource.put_override',
    answers: override,
    summary: 'Say what is open on one day; an empty list closes it',
  })
  async putOverride(
    @Ctx() ctx: TenantContext,
    @Param('resourceId', { schema: resourceId }) id: ResourceId,
    @Param('date', { schema: date }) on: LocalDate,
    @Body({ schema: overrideInput }) body: z.infer<typeof overrideInput>,
  ) {
    return presentOverride(await this.calendar.putOverride(ctx, id, overrideOf(on, body)));
  }

  @Delete('overrides/:date')
  @Access({
    ...change,
    audit: 'resource.delete_override',
    status: 204,
    answers: null,
    refusals: ['override.not_found'],
    summary: 'Go back to the weekly hours on one day',
  })
  async deleteOverride(
    @Ctx() ctx: TenantContext,
    @Param('resourceId', { schema: resourceId }) id: ResourceId,
    @Param('date', { schema: date }) on: LocalDate,
  ): Promise<void> {
    await this.calendar.deleteOverride(ctx, id, on);
  }

  @Get('blocks')
  @Access({ ...read, answers: blocks, summary: 'Time off and maintenance, by start' })
  async blocks(
    @Ctx() ctx: TenantContext,
    @Param('resourceId', { schema: resourceId }) id: ResourceId,
    @Query({ schema: blockList }) { from }: z.infer<typeof blockList>,
    @PageQuery() page: Paging<BlockKey>,
  ) {
    const fromMin = minuteOfInstant(from ?? 0);
    return presentPage(page, await this.calendar.blocks(ctx, id, fromMin, page), presentBlock);
  }

  @Post('blocks')
  @Access({
    ...change,
    audit: 'block.create',
    idempotency: 'accepted',
    status: 201,
    answers: block,
    refusals: ['block.conflicts', 'block.too_large'],
    summary: 'Take a resource away for a time that is free; all its lanes',
  })
  async createBlock(
    @Ctx() ctx: TenantContext,
    @Param('resourceId', { schema: resourceId }) id: ResourceId,
    @Body({ schema: newBlock }) body: z.infer<typeof newBlock>,
  ) {
    return presentBlock(await this.calendar.createBlock(ctx, id, blockOf(body)));
  }

  @Delete('blocks/:blockId')
  @Access({
    ...change,
    audit: 'block.delete',
    status: 204,
    answers: null,
    refusals: ['block.not_found'],
    summary: 'Give the time of a block back',
  })
  async deleteBlock(
    @Ctx() ctx: TenantContext,
    @Param('resourceId', { schema: resourceId }) id: ResourceId,
    @Param('blockId', { schema: blockId }) blocked: BlockId,
  ): Promise<void> {
    await this.calendar.deleteBlock(ctx, id, blocked);
  }
}
