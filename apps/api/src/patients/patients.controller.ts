import { Body, Controller, Get, Param, Patch, Post, Query } from '@nestjs/common';
import type { z } from 'zod';
import {
  type PatientId,
  type PatientKey,
  PatientSearchService,
  PatientsService,
  permissionOf,
  RegistrationService,
} from '#domain/patients';
import type { TenantContext } from '#infra/kernel';
import { Access, Ctx, IfMatch, PageQuery, type Paging, presentPage } from '../edge/index.js';
import {
  foundPatients,
  newPatient,
  patient,
  patientChanges,
  patientId,
  patientList,
  patientSearch,
  patients,
  presentFound,
  presentPatient,
  presentSummary,
  registration,
} from './patients.dto.js';

@Controller('api/v1/patients')
export class PatientsController {
  constructor(
    private readonly patients: PatientsService,
    private readonly registrations: RegistrationService,
    private readonly searching: PatientSearchService,
  ) {}

  @Get()
  @Access({
    permission: permissionOf['patient.list'],
    audit: 'patient.list',
    limit: 'search',
    answers: patients,
    summary: 'Patients, in the order of their registration',
  })
  async list(
    @Ctx() ctx: TenantContext,
    @Query({ schema: patientList }) _query: z.infer<typeof patientList>,
    @PageQuery() page: Paging<PatientKey>,
  ) {
    return presentPage(page, await this.patients.list(ctx, page), presentSummary);
  }

  @Post()
  @Access({
    permission: permissionOf['patient.create'],
    audit: 'patient.create',
    limit: 'write',
    idempotency: 'accepted',
    status: 201,
    answers: patient,
    refusals: ['patient.possible_duplicate', 'patient.born_later', 'quota.exceeded'],
    summary: 'Register somebody who is not registered yet',
  })
  async create(
    @Ctx() ctx: TenantContext,
    @Query({ schema: registration }) { force }: z.infer<typeof registration>,
    @Body({ schema: newPatient }) body: z.infer<typeof newPatient>,
  ) {
    return presentPatient(await this.registrations.create(ctx, body, { force: force === 'true' }));
  }

  @Post('search')
  @Access({
    permission: permissionOf['patient.search'],
    audit: 'patient.search',
    limit: 'search',
    answers: foundPatients,
    summary: 'Find patients by name, birth date and telephone; what is asked stands in no URL',
  })
  async search(@Ctx() ctx: TenantContext, @Body({ schema: patientSearch }) body: z.infer<typeof patientSearch>) {
    const { limit, ...asked } = body;
    return presentFound(await this.searching.search(ctx, asked, limit));
  }

  @Get(':patientId')
  @Access({
    permission: permissionOf['patient.read'],
    audit: 'patient.read',
    limit: 'read',
    answers: patient,
    summary: 'One patient',
  })
  async get(@Ctx() ctx: TenantContext, @Param('patientId', { schema: patientId }) id: PatientId) {
    return presentPatient(await this.patients.read(ctx, id));
  }

  @Patch(':patientId')
  @Access({
    permission: permissionOf['patient.update'],
    audit: 'patient.update',
    limit: 'write',
    answers: patient,
    refusals: ['patient.born_later'],
    summary: 'Correct a patient; null forgets a field',
  })
  async update(
    @Ctx() ctx: TenantContext,
    @Param('patientId', { schema: patientId }) id: PatientId,
    @IfMatch() version: number,
    @Body({ schema: patientChanges }) changes: z.infer<typeof patientChanges>,
  ) {
    return presentPatient(await this.patients.update(ctx, id, version, changes));
  }
}
