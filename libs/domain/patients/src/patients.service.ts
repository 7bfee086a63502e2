import { Injectable } from '@nestjs/common';
import type { Page, PageRequest, TenantContext } from '#infra/kernel';
import type { WriteContext } from '#infra/sharding';
import { Envelopes } from './envelopes.js';
import {
  changed,
  type Patient,
  type PatientChanges,
  type PatientId,
  type PatientKey,
  type PatientVersion,
  type VersionEntry,
} from './patient.js';
import { fail } from './patients.errors.js';
import { demand } from './patients.policy.js';
import { PatientsRepository } from './patients.repository.js';
import { type PatientParts, PatientRecords } from './records.js';

/** The most versions of one patient that its history shows. */
export const versionsMax = 200;

/** Patients who are registered: seeing and correcting them. Every reading is recorded with whom it showed. */
@Injectable()
export class PatientsService {
  readonly #rows = new PatientsRepository();
  readonly #records: PatientRecords;
  readonly #envelopes: Envelopes;

  constructor(private readonly parts: PatientParts) {
    this.#records = new PatientRecords(parts);
    this.#envelopes = new Envelopes(parts.crypto);
  }

  /** In the order of registration. */
  async list(ctx: TenantContext, page: PageRequest<PatientKey>): Promise<Page<Patient, PatientKey>> {
    demand(ctx, 'patient.list');
    const found = await this.parts.sharding.read(ctx, (tx) => this.#rows.list(tx, page), { from: 'replica' });
    const items = await Promise.all(found.items.map((row) => this.#envelopes.open(ctx, row)));
    await this.#recordRead(
      ctx,
      'patient.list',
      items.map(({ id }) => id),
    );
    return { ...found, items };
  }

  async read(ctx: TenantContext, id: PatientId): Promise<Patient> {
    demand(ctx, 'patient.read');
    const row = await this.parts.sharding.read(ctx, (tx) => this.#rows.read(tx, id));
    if (!row) throw fail('patient.not_found');
    const patient = await this.#envelopes.open(ctx, row);
    await this.#recordRead(ctx, 'patient.read', [id], id);
    return patient;
  }

  /** Fields that are named take the place of what was; null forgets. */
  async update(ctx: TenantContext, id: PatientId, expectedVersion: number, changes: PatientChanges): Promise<Patient> {
    demand(ctx, 'patient.update');
    this.#records.expectBorn({ birthDate: changes.birthDate ?? null });
    return this.parts.sharding.write(ctx, async (tx) => {
      const current = await this.#expect(tx, id, expectedVersion);
      return this.#records.change(tx, current, changed(current, changes), { event: 'updated', restoredFrom: null });
    });
  }

  /** What happened to a patient, newest first, at most 200: which fields, not what they said. */
  async versions(ctx: TenantContext, id: PatientId): Promise<readonly VersionEntry[]> {
    demand(ctx, 'patient.read');
    const entries = await this.parts.sharding.read(ctx, (tx) => this.#rows.versions(tx, id, versionsMax));
    if (entries.length === 0) throw fail('patient.not_found');
    await this.#recordRead(ctx, 'patient.history', [id], id);
    return entries;
  }

  async version(ctx: TenantContext, id: PatientId, version: number): Promise<PatientVersion> {
    demand(ctx, 'patient.read');
    const row = await this.parts.sharding.read(ctx, (tx) => this.#rows.version(tx, id, version));
    if (!row) throw fail('patient.version_not_found');
    const opened = await this.#envelopes.openVersion(ctx, row);
    await this.#recordRead(ctx, 'patient.read_version', [id], id);
    return opened;
  }

  /** A new version that says what an earlier one said. */
  async restore(ctx: TenantContext, id: PatientId, expectedVersion: number, version: number): Promise<Patient> {
    demand(ctx, 'patient.update');
    return this.parts.sharding.writeOnce(ctx, async (tx) => {
      const current = await this.#expect(tx, id, expectedVersion);
      const row = version < current.version ? await this.#rows.version(tx, id, version) : undefined;
      if (!row) throw fail('patient.version_not_found');
      const { demographics } = await this.#envelopes.openVersion(tx, row);
      return this.#records.change(tx, current, demographics, { event: 'restored', restoredFrom: version });
    });
  }

  /** What the caller read is what is there: else 404, or 412 with the version that is. */
  async #expect(tx: WriteContext, id: PatientId, expectedVersion: number): Promise<Patient> {
    const row = await this.#rows.readForUpdate(tx, id);
    if (!row) throw fail('patient.not_found');
    if (row.version !== expectedVersion)
      throw fail('patient.version_conflict', {
        internal: `${id} is at version ${row.version}`,
        extra: { currentVersion: row.version },
      });
    return this.#envelopes.open(tx, row);
  }

  async #recordRead(ctx: TenantContext, action: string, subjectIds: readonly PatientId[], id?: PatientId) {
    const resource = { resourceType: 'patient', ...(id === undefined ? {} : { resourceId: id }) };
    await this.parts.audit.recordRead(ctx, { action, ...resource, subjectIds });
  }
}
