import { Injectable } from '@nestjs/common';
import type { Clock, TenantContext } from '#infra/kernel';
import { type ReadContext, Sharding } from '#infra/sharding';
import { addDays, daysBetween, type LocalDate, localDateOf, localMinOf, TZDB_VERSION, toUtcMin } from '#infra/time';
import { fail } from './appointments.errors.js';
import { demand } from './appointments.policy.js';
import { findStarts, MAX_SEARCH_DAYS, type Start } from './availability.js';
import { AvailabilityRepository } from './availability.repository.js';
import type { LocationId, ServiceId } from './catalogue.js';
import { CatalogueRepository } from './catalogue.repository.js';
import { NextFlight } from './next-flight.js';
import { expectOffered, planOf, searchOf } from './plan.js';
import type { ResourceId } from './resource.js';

export interface AvailabilityQuery {
  readonly serviceId: ServiceId;
  /** Needed only where the service is offered at several locations. */
  readonly locationId?: LocationId | undefined;
  readonly providerId?: ResourceId | undefined;
  /** Local dates of the location, both inclusive, at most 92 days. */
  readonly from: LocalDate;
  readonly to: LocalDate;
}

export interface Availability {
  readonly locationId: LocationId;
  readonly tz: string;
  /** Version of the zone data. */
  readonly tzdb: string;
  readonly from: LocalDate;
  readonly to: LocalDate;
  readonly durationMin: number;
  readonly starts: readonly Start[];
}

/** A start that was refused, and where others are looked for. */
export interface Refused {
  readonly serviceId: ServiceId;
  readonly locationId: LocationId;
  readonly providerId: ResourceId | null;
  readonly startMin: number;
}

/** UTC midnight differs from a local one by at most this much: zones lie between UTC−12 and UTC+14. */
const widestOffsetMin = 14 * 60;
/** Alternatives are looked for on the day that was asked for and the days after it. */
const alternativeDays = 7;
const alternativesMax = 3;

/** Where a service is free. The same plan and engine decide here and when it is booked. */
@Injectable()
export class AvailabilityService {
  readonly #rows = new AvailabilityRepository();
  readonly #catalogue = new CatalogueRepository();
  readonly #flights = new NextFlight<Availability>();

  constructor(
    private readonly sharding: Sharding,
    private readonly clock: Clock,
  ) {}

  async find(ctx: TenantContext, query: AvailabilityQuery): Promise<Availability> {
    demand(ctx, 'availability.find');
    const { from, to } = query;
    if (to < from || daysBetween(from, to) >= MAX_SEARCH_DAYS) throw fail('availability.range_invalid');
    return this.sharding.read(
      ctx,
      async (tx) => {
        const locationId = query.locationId ?? (await this.#onlyLocation(tx, query.serviceId));
        return this.#search(tx, { ...query, locationId });
      },
      { from: 'replica' },
    );
  }

  /** Up to three free starts nearest to the one refused, in UTC minutes; free in a snapshot taken after this call. */
  async alternatives(ctx: TenantContext, refused: Refused, tz: string): Promise<readonly number[]> {
    const { serviceId, locationId, providerId, startMin } = refused;
    const from = localDateOf(startMin, tz);
    const query = {
      serviceId,
      locationId,
      providerId: providerId ?? undefined,
      from,
      to: addDays(from, alternativeDays),
    };
    const key = [ctx.tenant.id, serviceId, locationId, providerId, from].join(' ');
    const { starts } = await this.#flights.run(key, () => this.sharding.read(ctx, (tx) => this.#search(tx, query)));
    return nearest(starts, startMin);
  }

  async #onlyLocation(tx: ReadContext, serviceId: ServiceId): Promise<LocationId> {
    const [service, locations] = await Promise.all([
      this.#catalogue.service(tx, serviceId),
      this.#rows.locationsOf(tx, serviceId),
    ]);
    if (!service) throw fail('service.not_found');
    const [only, other] = locations;
    if (only === undefined || other !== undefined) throw fail('availability.location_required');
    return only;
  }

  async #search(
    tx: ReadContext,
    query: AvailabilityQuery & { readonly locationId: LocationId },
  ): Promise<Availability> {
    const { serviceId, locationId, from, to } = query;
    const providerId = query.providerId ?? null;
    const loaded = await this.#rows.load(tx, {
      serviceId,
      locationId,
      providerId,
      fromMin: localMinOf(from, 0) - widestOffsetMin,
      toMin: localMinOf(addDays(to, 1), 0) + widestOffsetMin,
    });
    const plan = planOf(loaded, providerId);
    expectOffered(plan);
    const { tz } = plan.location;
    const fromMin = toUtcMin(tz, localMinOf(from, 0));
    const toMin = toUtcMin(tz, localMinOf(addDays(to, 1), 0));
    const starts = findStarts(searchOf(plan, fromMin, toMin, this.clock.now()));
    return { locationId, tz, tzdb: TZDB_VERSION, from, to, durationMin: plan.service.durationMin, starts };
  }
}

/** By distance, the earlier first among equals; in order of time. */
export function nearest(starts: readonly Start[], startMin: number): readonly number[] {
  return starts
    .map((start) => start.startMin)
    .sort((a, b) => Math.abs(a - startMin) - Math.abs(b - startMin) || a - b)
    .slice(0, alternativesMax)
    .sort((a, b) => a - b);
}
