import { Module } from '@nestjs/common';
import { Audit } from '#infra/audit';
import { Cache } from '#infra/cache';
import { TenantCrypto } from '#infra/crypto';
import { systemClock } from '#infra/kernel';
import { Outbox } from '#infra/queues';
import { Quotas, QuotasModule } from '#infra/quotas';
import { Sharding } from '#infra/sharding';
import { Metrics } from '#infra/telemetry';
import { AnalyticsService } from './analytics.service.js';
import { AppointmentsService } from './appointments.service.js';
import { AvailabilityService } from './availability.service.js';
import { type BookingParts, BookingService } from './booking.service.js';
import { CalendarService } from './calendar.service.js';
import { CatalogueService } from './catalogue.service.js';
import { PublicCatalogueService } from './public-catalogue.service.js';

const parts = Symbol('parts of booking');

@Module({
  imports: [QuotasModule],
  providers: [
    {
      provide: parts,
      inject: [Sharding, Audit, Outbox, TenantCrypto, Metrics, Quotas],
      useFactory: (...[sharding, audit, outbox, crypto, metrics, quotas]: Needs): BookingParts => ({
        sharding,
        audit,
        outbox,
        crypto,
        metrics,
        quotas,
        clock: systemClock,
      }),
    },
    {
      provide: CatalogueService,
      inject: [parts, Cache],
      useFactory: ({ sharding, audit, clock, quotas, outbox }: BookingParts, cache: Cache) =>
        new CatalogueService(sharding, audit, clock, quotas, cache, outbox),
    },
    {
      provide: PublicCatalogueService,
      inject: [parts, Cache],
      useFactory: ({ sharding, audit, clock, outbox }: BookingParts, cache: Cache) =>
        new PublicCatalogueService(sharding, audit, clock, cache, outbox),
    },
    {
      provide: AnalyticsService,
      inject: [parts, Cache],
      useFactory: ({ sharding, clock }: BookingParts, cache: Cache) => new AnalyticsService(sharding, cache, clock),
    },
    {
      provide: CalendarService,
      inject: [parts],
      useFactory: ({ sharding, audit, clock }: BookingParts) => new CalendarService(sharding, audit, clock),
    },
    {
      provide: AvailabilityService,
      inject: [parts],
      useFactory: ({ sharding, clock }: BookingParts) => new AvailabilityService(sharding, clock),
    },
    {
      provide: BookingService,
      inject: [parts, AvailabilityService],
      useFactory: (all: BookingParts, availability: AvailabilityService) => new BookingService(all, availability),
    },
    { provide: AppointmentsService, inject: [parts], useFactory: (all: BookingParts) => new AppointmentsService(all) },
  ],
  exports: [
    AnalyticsService,
    AppointmentsService,
    AvailabilityService,
    BookingService,
    CalendarService,
    CatalogueService,
    PublicCatalogueService,
  ],
})
export class AppointmentsModule {}

type Needs = [Sharding, Audit, Outbox, TenantCrypto, Metrics, Quotas];
