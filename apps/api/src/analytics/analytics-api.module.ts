import { Module } from '@nestjs/common';
import { AppointmentsModule } from '#domain/appointments';
import { TakingsModule } from '#domain/reconciliation';
import { AnalyticsController } from './analytics.controller.js';

@Module({ imports: [AppointmentsModule, TakingsModule], controllers: [AnalyticsController] })
export class AnalyticsApiModule {}
