import { Module } from '@nestjs/common';
import { AppointmentsModule } from '#domain/appointments';
import { AppointmentsController } from './appointments.controller.js';
import { AvailabilityController } from './availability.controller.js';
import { CalendarsController } from './calendars.controller.js';
import { LocationsController } from './locations.controller.js';
import { ResourcesController } from './resources.controller.js';
import { ServicesController } from './services.controller.js';

@Module({
  imports: [AppointmentsModule],
  controllers: [
    LocationsController,
    ServicesController,
    ResourcesController,
    CalendarsController,
    AvailabilityController,
    AppointmentsController,
  ],
})
export class AppointmentsApiModule {}
