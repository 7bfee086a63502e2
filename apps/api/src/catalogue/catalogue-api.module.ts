import { Module } from '@nestjs/common';
import { AppointmentsModule } from '#domain/appointments';
import { CataloguesController } from './catalogues.controller.js';
import { PublicationController } from './publication.controller.js';

@Module({ imports: [AppointmentsModule], controllers: [CataloguesController, PublicationController] })
export class CatalogueApiModule {}
