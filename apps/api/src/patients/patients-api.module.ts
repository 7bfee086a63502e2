import { Module } from '@nestjs/common';
import { PatientsModule } from '#domain/patients';
import { NotesController } from './notes.controller.js';
import { PatientVersionsController } from './patient-versions.controller.js';
import { PatientsController } from './patients.controller.js';

@Module({ imports: [PatientsModule], controllers: [NotesController, PatientsController, PatientVersionsController] })
export class PatientsApiModule {}
