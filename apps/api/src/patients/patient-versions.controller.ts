import { Controller, Get, Param, Post } from '@nestjs/common';
import { type PatientId, PatientsService, permissionOf } from '#domain/patients';
import type { TenantContext } from '#infra/kernel';
import { Access, Ctx, IfMatch } from '../edge/index.js';
import {
  patient,
  patientId,
  patientVersion,
  patientVersions,
  presentPatient,
  presentVersion,
  presentVersions,
  versionInPath,
} from './patients.dto.js';

const read = { permission: permissionOf['patient.read'], limit: 'read' } as const;

@Controller('api/v1/patients/:patientId/versions')
export class PatientVersionsController {
  constructor(private readonly patients: PatientsService) {}

  @Get()
  @Access({
    ...read,
    audit: 'patient.history',
    answers: patientVersions,
    summary: 'Every version of a patient, newest first: which fields it changed, not what they said',
  })
  async list(@Ctx() ctx: TenantContext, @Param('patientId', { schema: patientId }) id: PatientId) {
    return presentVersions(await this.patients.versions(ctx, id));
  }

  @Get(':version')
  @Access({ ...read, audit: 'patient.read_version', answers: patientVersion, summary: 'One version with what it said' })
  async get(
    @Ctx() ctx: TenantContext,
    @Param('patientId', { schema: patientId }) id: PatientId,
    @Param('version', { schema: versionInPath }) version: number,
  ) {
    return presentVersion(await this.patients.version(ctx, id, version));
  }

  @Post(':version/restore')
  @Access({
    permission: permissionOf['patient.update'],
    audit: 'patient.restore',
    limit: 'write',
    idempotency: 'accepted',
    answers: patient,
    summary: 'A new version that says what an earlier one said',
  })
  async restore(
    @Ctx() ctx: TenantContext,
    @Param('patientId', { schema: patientId }) id: PatientId,
    @Param('version', { schema: versionInPath }) version: number,
    @IfMatch() expectedVersion: number,
  ) {
    return presentPatient(await this.patients.restore(ctx, id, expectedVersion, version));
  }
}
