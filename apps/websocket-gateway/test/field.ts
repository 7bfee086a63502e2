import type { INestApplicationContext } from '@nestjs/common';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  AppointmentsModule,
  AppointmentsService,
  appointmentJobs,
  BookingService,
  CalendarService,
  CatalogueService,
  type LocationId,
  type ResourceId,
  type ServiceId,
} from '#domain/appointments';
import { CardsService, MembersModule, MembersService } from '#domain/members';
import { PatientsModule, PatientsService, RegistrationService } from '#domain/patients';
import {
  type NewSource,
  Reconciler,
  ReconciliationModule,
  RunsService,
  reconciliationJobs,
  type SourceId,
  SourcesService,
  StatementIngest,
  UploadService,
} from '#domain/reconciliation';
import { AuditModule } from '#infra/audit';
import { CacheModule, cacheConfig } from '#infra/cache';
import { parseConfig } from '#infra/config';
import { CryptoModule } from '#infra/crypto';
import { IdentityModule, identityJobs } from '#infra/identity';
import { newId, systemClock, type TenantContext } from '#infra/kernel';
import { QueuesModule, type Work } from '#infra/queues';
import { QuotaOverrides } from '#infra/quotas';
import { RedisModule } from '#infra/redis';
import { Sharding, ShardingModule } from '#infra/sharding';
import { type Log, TelemetryModule } from '#infra/telemetry';
import type { LocalDate } from '#infra/time';
import type { Settings } from '../src/settings.js';
import { domainFacts } from './gateway-fixture.js';

@Module({})
class FieldModule {}

const dayMs = 86_400_000;

/** Somebody as every domain comes to know them. */
export interface Planted {
  readonly given: string;
  readonly family: string;
  readonly phone: string;
  readonly email: string;
  readonly note: string;
  readonly idNumber: string;
}

/** The services of every domain, as an app has them, on the databases of a gateway. */
export class Field {
  private constructor(private readonly app: INestApplicationContext) {}

  static async open(settings: Settings, env: Readonly<Record<string, string>>, log: Log): Promise<Field> {
    const { cache } = parseConfig({ cache: cacheConfig }, env);
    const imports = [
      TelemetryModule.forRoot(settings.telemetry, { app: 'field', version: '0' }, log),
      RedisModule.forRoot(settings.redis),
      CryptoModule.forRoot(settings.crypto),
      ShardingModule.forRoot({ sharding: settings.sharding, database: settings.database, applicationName: 'field' }),
      QueuesModule.forRoot({ jobs: [...identityJobs, ...appointmentJobs, ...reconciliationJobs], facts: domainFacts }),
      AuditModule,
      CacheModule.forRoot(cache),
      IdentityModule.forRoot(settings.identity),
      AppointmentsModule,
      MembersModule,
      PatientsModule,
      ReconciliationModule,
    ];
    const module = { module: FieldModule, imports };
    return new Field(await NestFactory.createApplicationContext(module, { logger: false, abortOnError: false }));
  }

  close(): Promise<void> {
    return this.app.close();
  }

  /** The next location is the last that the tenant may have. */
  async lastLocation(ctx: TenantContext): Promise<void> {
    const { slug } = await this.app.get(Sharding).tenants.byId(ctx.tenant.id);
    await this.app.get(QuotaOverrides).set(ctx, slug, 'locations', 1);
  }

  /** Booked, moved and cancelled. */
  async visit(ctx: TenantContext, { given, family, phone, email, note }: Planted): Promise<void> {
    const { serviceId, locationId, day } = await this.#clinic(ctx);
    const client = { name: `${given} ${family}`, phone, email };
    const booking = this.app.get(BookingService);
    const visit = await booking.book(ctx, { serviceId, locationId, start: day + 9 * 3_600_000, client, note });
    await booking.reschedule(ctx, visit.id, 1, { start: day + 10 * 3_600_000, note });
    await this.app.get(AppointmentsService).cancel(ctx, visit.id, 2, { reason: 'client_request', note });
  }

  /** Registered and corrected. */
  async patient(ctx: TenantContext, { given, family, phone, email, note }: Planted): Promise<void> {
    const address = { street: note, city: family, region: null, postcode: null, country: null };
    const person = { given, family, phone, email, address, birthDate: null, sex: 'unknown' } as const;
    const { id } = await this.app.get(RegistrationService).create(ctx, person, { force: true });
    await this.app.get(PatientsService).update(ctx, id, 1, { given: `${given} ${given}` });
  }

  /** Enrolled, with a card that is issued and revoked. */
  async member(ctx: TenantContext, { given, family, idNumber }: Planted): Promise<void> {
    const membership = { from: '2026-01-01' as LocalDate, until: null, tz: 'Africa/Johannesburg' };
    const enrolling = { name: { given, family }, idScheme: 'za-id', idNumber, membership } as const;
    const member = await this.app.get(MembersService).enrol(ctx, enrolling);
    const card = await this.app.get(CardsService).issue(ctx, member.id, true);
    await this.app.get(CardsService).revoke(ctx, card.id, 1, 'lost');
  }

  /** Named in the payments of two statements, which are taken in and matched. */
  async payments(ctx: TenantContext, { given, family, note }: Planted): Promise<void> {
    const file = `Id,Date,Amount,Reference,Memo\n1,2026-11-01,12.50,${family},${given} ${family} ${note}\n`;
    const leftSourceId = await this.#statement(ctx, 'till', file);
    const rightSourceId = await this.#statement(ctx, 'bank', file);
    const ladder = [[{ field: 'reference' }, { field: 'amount' }]] as const;
    const asked = { leftSourceId, rightSourceId, ladder, from: null, to: null };
    const { run } = await this.app.get(RunsService).start(ctx, asked);
    await this.app.get(Reconciler).run(ctx, run.id, attempt());
  }

  async #statement(ctx: TenantContext, code: string, file: string): Promise<SourceId> {
    const source = await this.app.get(SourcesService).create(ctx, sourceOf(code));
    const { statement } = await this.app.get(UploadService).receive(ctx, source.id, chunks(file));
    await this.app.get(StatementIngest).run(ctx, statement.id, attempt());
    return source.id;
  }

  async #clinic(ctx: TenantContext): Promise<{ serviceId: ServiceId; locationId: LocationId; day: number }> {
    const catalogue = this.app.get(CatalogueService);
    const { id: locationId } = await catalogue.createLocation(ctx, { name: 'Main', tz: 'UTC' });
    const { id: serviceId } = await catalogue.createService(ctx, {
      name: 'Visit',
      durationMin: 30,
      segments: [{ kind: 'provider', offsetMin: 0, durationMin: 30 }],
      grid: { stepMin: 15, anchor: 'midnight' },
      noticeMin: 0,
      horizonDays: 30,
    });
    const resource = { locationId, kind: 'provider', name: 'Ada', capacity: 1 } as const;
    const { id: providerId } = await catalogue.createResource(ctx, resource);
    await catalogue.putSkill(ctx, providerId, serviceId);
    await this.#open(ctx, providerId);
    const today = Math.floor(systemClock.now() / dayMs) * dayMs;
    return { serviceId, locationId, day: today + 7 * dayMs };
  }

  async #open(ctx: TenantContext, providerId: ResourceId): Promise<void> {
    const rules = ([1, 2, 3, 4, 5, 6, 7] as const).map((weekday) => ({ weekday, opens: 0, closes: 1_440 }));
    const schedules = [{ validFrom: '2020-01-01' as LocalDate, validTo: null, rules }];
    await this.app.get(CalendarService).putSchedule(ctx, providerId, 1, schedules);
  }
}

/** What a worker hands over; these have no job behind them to mark. */
const attempt = (): Work => ({
  id: newId(),
  attempt: 1,
  signal: new AbortController().signal,
  finish: async () => undefined,
});

async function* chunks(text: string): AsyncGenerator<Buffer> {
  yield Buffer.from(text);
}

const sourceOf = (code: string): NewSource => ({
  code,
  name: code,
  kind: 'pos',
  mapping: {
    externalId: 'Id',
    date: 'Date',
    amount: 'Amount',
    reference: 'Reference',
    memo: 'Memo',
    dateFormat: 'YYYY-MM-DD',
    decimal: '.',
    currency: 'USD',
    sign: 'as_is',
  },
});
