import { Injectable } from '@nestjs/common';
import type { Audit } from '#infra/audit';
import type { TenantCrypto } from '#infra/crypto';
import { type AppError, type Clock, type Instant, newId, type TenantContext } from '#infra/kernel';
import type { Outbox } from '#infra/queues';
import type { Quotas } from '#infra/quotas';
import type { ReadContext, Sharding, WriteContext } from '#infra/sharding';
import type { Counter, Metrics } from '#infra/telemetry';
import { formatInstant, instantOfMinute, minuteOfInstant } from '#infra/time';
import {
  type Appointment,
  type AppointmentId,
  type Client,
  refusalOfChange,
  type Share,
  timingOf,
} from './appointment.js';
import { fail } from './appointments.errors.js';
import { factOf } from './appointments.facts.js';
import { demand } from './appointments.policy.js';
import { type AppointmentRow, AppointmentsRepository } from './appointments.repository.js';
import { AvailabilityRepository } from './availability.repository.js';
import type { AvailabilityService, Refused } from './availability.service.js';
import type { LocationId, ServiceId } from './catalogue.js';
import { ClaimsRepository } from './claims.repository.js';
import { Envelopes } from './envelopes.js';
import { place, type Take, type View } from './placing.js';
import { expectOffered, type LoadedPlan, planOf, searchOf, withoutOwn } from './plan.js';
import type { ResourceId } from './resource.js';
import { staleOptions } from './versions.js';

export interface NewBooking {
  readonly serviceId: ServiceId;
  readonly locationId: LocationId;
  readonly start: Instant;
  readonly providerId?: ResourceId | undefined;
  readonly client: Client;
  readonly note?: string | undefined;
}

export interface Rescheduling {
  readonly start: Instant;
  /** Without it the visit keeps its provider. */
  readonly providerId?: ResourceId | undefined;
  readonly anyProvider?: boolean | undefined;
  readonly note?: string | undefined;
}

/** What a visit asks for, and what it holds already. */
interface Wanted {
  readonly serviceId: ServiceId;
  readonly locationId: LocationId;
  readonly providerId: ResourceId | null;
  readonly start: Instant;
  readonly own: readonly Share[];
  /** What was read with the check of the Idempotency-Key; good for one look. */
  readonly loaded?: LoadedPlan;
}

export interface BookingParts {
  readonly sharding: Sharding;
  readonly audit: Audit;
  readonly outbox: Outbox;
  readonly crypto: TenantCrypto;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly quotas: Quotas;
}

/** Bookings within this distance count when the least busy provider is looked for. */
const balanceMin = 720;

/** Ends the transaction of a visit whose time is taken; outside it becomes 409 with alternatives. */
class SlotTaken extends Error {
  override readonly name = 'SlotTaken';
  constructor(
    readonly refused: Refused,
    readonly tz: string,
  ) {
    super('the slot is taken');
  }
}

/** Gives visits their time. Nothing is promised but by the rows of time_claim. */
@Injectable()
export class BookingService {
  readonly #plans = new AvailabilityRepository();
  readonly #claims = new ClaimsRepository();
  readonly #rows = new AppointmentsRepository();
  readonly #envelopes: Envelopes;
  readonly #outcomes: Counter<'outcome'>;

  constructor(
    private readonly parts: BookingParts,
    private readonly availability: AvailabilityService,
  ) {
    this.#envelopes = new Envelopes(parts.crypto);
    this.#outcomes = parts.metrics.counter(
      'appointment_bookings_total',
      'Bookings that were made (booked), lost their time to another (conflict) or were refused or failed (failure).',
      ['outcome'],
    );
  }

  /** Takes a provider, a room and whatever else the service needs, or nothing at all. */
  async book(ctx: TenantContext, booking: NewBooking): Promise<Appointment> {
    demand(ctx, 'appointment.book');
    try {
      const id = newId<AppointmentId>();
      const sealed = await this.#envelopes.sealClient(ctx, id, booking.client, booking.note);
      const where = { ...booking, providerId: booking.providerId ?? null, own: [] };
      const booked = await this.parts.sharding.writeOnce<Appointment, LoadedPlan>(
        ctx,
        (tx, loaded) => this.#book(tx, id, booking, { ...where, loaded }, sealed),
        (tx) => this.#load(tx, where),
      );
      if (ctx.idempotency?.outcome !== 'replayed') this.#outcomes.inc({ outcome: 'booked' });
      return booked;
    } catch (error) {
      this.#outcomes.inc({ outcome: error instanceof SlotTaken ? 'conflict' : 'failure' });
      throw error instanceof SlotTaken
        ? await this.#refusal(ctx, error)
        : await this.parts.quotas.refusalOf(ctx, error);
    }
  }

  /** Same visit, next version, other time: the old time is given back only if the new one is had. */
  async reschedule(
    ctx: TenantContext,
    id: AppointmentId,
    expectedVersion: number,
    to: Rescheduling,
  ): Promise<Appointment> {
    demand(ctx, 'appointment.reschedule');
    try {
      return await this.parts.sharding.writeOnce(ctx, (tx) => this.#reschedule(tx, id, expectedVersion, to));
    } catch (error) {
      throw error instanceof SlotTaken ? await this.#refusal(ctx, error) : error;
    }
  }

  async #book(
    tx: WriteContext,
    id: AppointmentId,
    booking: NewBooking,
    where: Wanted,
    sealed: Buffer,
  ): Promise<Appointment> {
    const now = this.parts.clock.now();
    const { plan, shares } = await this.#place(tx, id, where, (wanted) => this.#claims.takeForVisit(tx, id, wanted));
    const row: AppointmentRow = {
      ...timingOf(minuteOfInstant(booking.start), plan.service.durationMin, plan.location.tz),
      id,
      version: 1,
      status: 'booked',
      locationId: plan.location.id,
      serviceId: plan.service.id,
      shares,
      sealed,
      createdAt: now,
      updatedAt: now,
    };
    const remark = { id: newId(), reason: null, sealedNote: null };
    this.#rows.insert(tx, row, 'booked', remark);
    await this.#announce(tx, 'booked', row);
    await this.parts.quotas.consume(tx, 'orders');
    const { sealed: _, ...visible } = row;
    return { ...visible, client: booking.client, note: booking.note || null };
  }

  async #reschedule(
    tx: WriteContext,
    id: AppointmentId,
    expectedVersion: number,
    to: Rescheduling,
  ): Promise<Appointment> {
    const now = this.parts.clock.now();
    const current = await this.#rows.readForUpdate(tx, id);
    if (!current) throw fail('appointment.not_found');
    const refusal = refusalOfChange(current, 'reschedule', expectedVersion, minuteOfInstant(now));
    if (refusal !== null) throw fail(refusal, staleOptions(current));
    const { serviceId, locationId, shares: own } = current;
    const providerId = to.anyProvider ? null : (to.providerId ?? onlyProvider(own));
    const where = { serviceId, locationId, providerId, start: to.start, own };
    const { plan, shares } = await this.#place(tx, id, where, (wanted) => {
      this.#claims.lock(tx, [...own, ...wanted]);
      return this.#claims.move(tx, id, own, wanted);
    });
    const timing = timingOf(minuteOfInstant(to.start), plan.service.durationMin, plan.location.tz);
    const next = { ...current, ...timing, shares, version: current.version + 1, updatedAt: now };
    const remarkId = newId();
    const sealedNote = await this.#envelopes.sealNote(tx, remarkId, to.note);
    this.#rows.update(tx, next);
    this.#rows.remember(tx, 'rescheduled', next, { id: remarkId, reason: null, sealedNote });
    await this.#announce(tx, 'rescheduled', next);
    return this.#envelopes.openAppointment(tx, next);
  }

  async #place(tx: WriteContext, id: AppointmentId, where: Wanted, take: Take) {
    const { start, providerId, own } = where;
    const startMin = minuteOfInstant(start);
    let { loaded } = where;
    const look = async (): Promise<View> => {
      const plan = planOf(loaded ?? (await this.#load(tx, where)), providerId);
      loaded = undefined;
      if (own.length === 0) expectOffered(plan);
      if (instantOfMinute(startMin) !== start) throw fail('appointment.off_grid');
      return { plan, search: withoutOwn(searchOf(plan, startMin, startMin + 1, this.parts.clock.now()), own) };
    };
    const { plan, shares } = await place(tx, look, startMin, id, take);
    if (shares) return { plan, shares };
    throw new SlotTaken({ ...where, startMin }, plan.location.tz);
  }

  #load(tx: ReadContext, where: Wanted): Promise<LoadedPlan> {
    const startMin = minuteOfInstant(where.start);
    return this.#plans.load(tx, { ...where, fromMin: startMin - balanceMin, toMin: startMin + balanceMin });
  }

  async #announce(tx: WriteContext, event: 'booked' | 'rescheduled', row: AppointmentRow) {
    await this.parts.outbox.append(tx, factOf(event, row));
    await this.parts.audit.record(tx, {
      action: event === 'booked' ? 'appointment.book' : 'appointment.reschedule',
      resourceType: 'appointment',
      resourceId: row.id,
      versionTo: row.version,
      ...(event === 'booked' ? {} : { versionFrom: row.version - 1 }),
    });
  }

  /** Where alternatives cannot be had just now, the refusal stands without them. */
  async #refusal(ctx: TenantContext, { refused, tz }: SlotTaken): Promise<AppError> {
    const starts = await this.availability.alternatives(ctx, refused, tz).catch(() => []);
    return fail('appointment.slot_taken', { extra: { alternatives: starts.map((start) => formatInstant(start, tz)) } });
  }
}

function onlyProvider(shares: readonly Share[]): ResourceId | null {
  const providers = shares.filter(({ kind }) => kind === 'provider');
  return providers.length === 1 ? (providers[0]?.resourceId ?? null) : null;
}
