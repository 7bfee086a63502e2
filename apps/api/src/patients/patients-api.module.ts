import { Module } from '@nestjs/common';
import { PatientsModule } from '#domain/patients';
import { PatientVersionsController } from './patient-versions.controller.js';
import { PatientsController } from './patients.controller.js';

@Module({ imports: [PatientsModule], controllers: [PatientsController, PatientVersionsController] })
export class PatientsApiModule {}
