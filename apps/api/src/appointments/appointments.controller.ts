import { Body, Controller, Get, Param, Post, Query } from '@nestjs/common';
import type { z } from 'zod';
import {
  type AppointmentId,
  type AppointmentKey,
  AppointmentsService,
  BookingService,
  permissionOf,
} from '#domain/appointments';
import type { TenantContext } from '#infra/kernel';
import { Access, Ctx, IfMatch, PageQuery, type Paging, presentPage } from '../edge/index.js';
import {
  appointment,
  appointmentId,
  appointmentList,
  appointments,
  cancellation,
  filterOf,
  history,
  newBooking,
  presentAppointment,
  presentHistory,
  rescheduling,
} from './appointments.dto.js';

const read = { permission: permissionOf['appointment.read'], limit: 'read' } as const;
const refusedStarts = [
  'appointment.slot_taken',
  'appointment.outside_hours',
  'appointment.notice_too_short',
  'appointment.beyond_horizon',
  'appointment.off_grid',
  'appointment.no_provider',
  'appointment.no_room',
  'appointment.no_device',
  'availability.provider_not_choosable',
] as const;
const refusedChanges = ['appointment.wrong_state', 'appointment.already_over'] as const;

@Controller('api/v1/appointments')
export class AppointmentsController {
  constructor(
    private readonly appointments: AppointmentsService,
    private readonly booking: BookingService,
  ) {}

  @Get()
  @Access({ ...read, audit: 'appointment.list', answers: appointments, summary: 'Visits, by start' })
  async list(
    @Ctx() ctx: TenantContext,
    @Query({ schema: appointmentList }) query: z.infer<typeof appointmentList>,
    @PageQuery() page: Paging<AppointmentKey>,
  ) {
    return presentPage(page, await this.appointments.list(ctx, filterOf(query), page), presentAppointment);
  }

  @Post()
  @Access({
    permission: permissionOf['appointment.book'],
    audit: 'appointment.book',
    importance: 'critical',
    limit: 'write',
    idempotency: 'required',
    status: 201,
    answers: appointment,
    refusals: [...refusedStarts, 'service.inactive', 'location.inactive'],
    summary: 'Book a visit: provider, room and device at once, or nothing',
  })
  async book(@Ctx() ctx: TenantContext, @Body({ schema: newBooking }) body: z.infer<typeof newBooking>) {
    return presentAppointment(await this.booking.book(ctx, body));
  }

  @Get(':appointmentId')
  @Access({ ...read, audit: 'appointment.read', answers: appointment, summary: 'One visit' })
  async get(@Ctx() ctx: TenantContext, @Param('appointmentId', { schema: appointmentId }) id: AppointmentId) {
    return presentAppointment(await this.appointments.read(ctx, id));
  }

  @Get(':appointmentId/history')
  @Access({
    ...read,
    audit: 'appointment.history',
    answers: history,
    summary: 'Every version of a visit, oldest first',
  })
  async history(@Ctx() ctx: TenantContext, @Param('appointmentId', { schema: appointmentId }) id: AppointmentId) {
    return presentHistory(await this.appointments.history(ctx, id));
  }

  @Post(':appointmentId/reschedule')
  @Access({
    permission: permissionOf['appointment.reschedule'],
    audit: 'appointment.reschedule',
    limit: 'write',
    idempotency: 'accepted',
    answers: appointment,
    refusals: [...refusedStarts, ...refusedChanges],
    summary: 'Move a visit; its time is kept where the new one cannot be had',
  })
  async reschedule(
    @Ctx() ctx: TenantContext,
    @Param('appointmentId', { schema: appointmentId }) id: AppointmentId,
    @IfMatch() version: number,
    @Body({ schema: rescheduling }) body: z.infer<typeof rescheduling>,
  ) {
    return presentAppointment(await this.booking.reschedule(ctx, id, version, body));
  }

  @Post(':appointmentId/cancel')
  @Access({
    permission: permissionOf['appointment.cancel'],
    audit: 'appointment.cancel',
    limit: 'write',
    idempotency: 'accepted',
    answers: appointment,
    refusals: refusedChanges,
    summary: 'Cancel a visit and give its time back',
  })
  async cancel(
    @Ctx() ctx: TenantContext,
    @Param('appointmentId', { schema: appointmentId }) id: AppointmentId,
    @IfMatch() version: number,
    @Body({ schema: cancellation }) body: z.infer<typeof cancellation>,
  ) {
    return presentAppointment(await this.appointments.cancel(ctx, id, version, body));
  }
}
