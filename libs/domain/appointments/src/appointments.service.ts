import { Injectable } from '@nestjs/common';
import { newId, type Page, type PageRequest, type TenantContext } from '#infra/kernel';
import type { ReadContext, WriteContext } from '#infra/sharding';
import { minuteOfInstant } from '#infra/time';
import {
  type Appointment,
  type AppointmentFilter,
  type AppointmentId,
  type AppointmentKey,
  type CancelReason,
  type HistoryEntry,
  refusalOfChange,
} from './appointment.js';
import { fail } from './appointments.errors.js';
import { factOf } from './appointments.facts.js';
import { demand } from './appointments.policy.js';
import { AppointmentsRepository } from './appointments.repository.js';
import type { BookingParts } from './booking.service.js';
import { CatalogueRepository } from './catalogue.repository.js';
import { ClaimsRepository } from './claims.repository.js';
import { Envelopes } from './envelopes.js';
import { expectNamed } from './named.js';
import { staleOptions } from './versions.js';

export interface Cancellation {
  readonly reason: CancelReason;
  readonly note?: string | undefined;
}

/** The most versions of one visit that its history shows. */
const historyMax = 200;

/** Visits that exist: seeing them, and ending them before their time. Every reading of them is recorded. */
@Injectable()
export class AppointmentsService {
  readonly #rows = new AppointmentsRepository();
  readonly #claims = new ClaimsRepository();
  readonly #catalogue = new CatalogueRepository();
  readonly #envelopes: Envelopes;

  constructor(private readonly parts: Omit<BookingParts, 'metrics'>) {
    this.#envelopes = new Envelopes(parts.crypto);
  }

  async list(
    ctx: TenantContext,
    filter: AppointmentFilter,
    page: PageRequest<AppointmentKey>,
  ): Promise<Page<Appointment, AppointmentKey>> {
    demand(ctx, 'appointment.read');
    const found = await this.parts.sharding.read(ctx, (tx) => this.#listed(tx, filter, page), { from: 'replica' });
    const items = await Promise.all(found.items.map((row) => this.#envelopes.openAppointment(ctx, row)));
    await this.parts.audit.recordRead(ctx, {
      action: 'appointment.list',
      resourceType: 'appointment',
      subjectIds: items.map(({ id }) => id),
    });
    return { ...found, items };
  }

  async #listed(tx: ReadContext, filter: AppointmentFilter, page: PageRequest<AppointmentKey>) {
    const [found] = await Promise.all([this.#rows.list(tx, filter, page), expectNamed(tx, this.#catalogue, filter)]);
    return found;
  }

  async read(ctx: TenantContext, id: AppointmentId): Promise<Appointment> {
    demand(ctx, 'appointment.read');
    const row = await this.parts.sharding.read(ctx, (tx) => this.#rows.read(tx, id));
    if (!row) throw fail('appointment.not_found');
    const appointment = await this.#envelopes.openAppointment(ctx, row);
    await this.#recordRead(ctx, 'appointment.read', id);
    return appointment;
  }

  /** Every version, oldest first, at most 200. */
  async history(ctx: TenantContext, id: AppointmentId): Promise<readonly HistoryEntry[]> {
    demand(ctx, 'appointment.read');
    const rows = await this.parts.sharding.read(ctx, (tx) => this.#rows.history(tx, id, historyMax));
    if (rows.length === 0) throw fail('appointment.not_found');
    const entries = await Promise.all(rows.map((row) => this.#envelopes.openHistory(ctx, row)));
    await this.#recordRead(ctx, 'appointment.history', id);
    return entries;
  }

  /** Gives all the time of a visit back. */
  async cancel(
    ctx: TenantContext,
    id: AppointmentId,
    expectedVersion: number,
    cancellation: Cancellation,
  ): Promise<Appointment> {
    demand(ctx, 'appointment.cancel');
    return this.parts.sharding.writeOnce(ctx, (tx) => this.#cancel(tx, id, expectedVersion, cancellation));
  }

  async #cancel(
    tx: WriteContext,
    id: AppointmentId,
    expectedVersion: number,
    { reason, note }: Cancellation,
  ): Promise<Appointment> {
    const now = this.parts.clock.now();
    const current = await this.#rows.readForUpdate(tx, id);
    if (!current) throw fail('appointment.not_found');
    const refusal = refusalOfChange(current, 'cancel', expectedVersion, minuteOfInstant(now));
    if (refusal !== null) throw fail(refusal, staleOptions(current));
    const next = { ...current, status: 'cancelled' as const, version: current.version + 1, updatedAt: now };
    const historyId = newId();
    const sealedNote = await this.#envelopes.sealNote(tx, historyId, note);
    this.#claims.giveBack(tx, { kind: 'appointment', id });
    this.#rows.update(tx, next);
    this.#rows.remember(tx, 'cancelled', next, { id: historyId, reason, sealedNote });
    await this.parts.outbox.append(tx, factOf('cancelled', next));
    await this.parts.audit.record(tx, {
      action: 'appointment.cancel',
      resourceType: 'appointment',
      resourceId: id,
      versionFrom: current.version,
      versionTo: next.version,
    });
    const cancelled = await this.#envelopes.openAppointment(tx, next);
    await this.parts.quotas.release(tx, 'orders', 1, current.createdAt);
    return cancelled;
  }

  async #recordRead(ctx: TenantContext, action: string, id: AppointmentId): Promise<void> {
    await this.parts.audit.recordRead(ctx, { action, resourceType: 'appointment', resourceId: id });
  }
}
