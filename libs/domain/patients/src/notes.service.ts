import { Injectable } from '@nestjs/common';
import { newId, type Page, type PageRequest, type TenantContext } from '#infra/kernel';
import type { WriteContext } from '#infra/sharding';
import { actorIdOf } from './actor.js';
import { Envelopes } from './envelopes.js';
import type { Note, NoteId, NoteKey } from './note.js';
import { NotesRepository } from './notes.repository.js';
import type { PatientId } from './patient.js';
import { fail } from './patients.errors.js';
import { demand } from './patients.policy.js';
import { PatientsRepository } from './patients.repository.js';
import type { PatientParts } from './records.js';

/** What clinicians write about patients: added to, never changed. Every reading is recorded. */
@Injectable()
export class NotesService {
  readonly #rows = new NotesRepository();
  readonly #patients = new PatientsRepository();
  readonly #envelopes: Envelopes;

  constructor(private readonly parts: Pick<PatientParts, 'sharding' | 'audit' | 'crypto' | 'clock' | 'quotas'>) {
    this.#envelopes = new Envelopes(parts.crypto);
  }

  async write(ctx: TenantContext, patientId: PatientId, text: string): Promise<Note> {
    const { quotas } = this.parts;
    const written = this.#add(ctx, { patientId, amends: null, text }, async (tx) => {
      if (!(await this.#patients.read(tx, patientId))) throw fail('patient.not_found');
    });
    return quotas.refusing(ctx, written);
  }

  /** Says what was wrong or missing in a note, beside it. */
  amend(ctx: TenantContext, patientId: PatientId, amends: NoteId, text: string): Promise<Note> {
    return this.#add(ctx, { patientId, amends, text }, async (tx) => {
      const [patient, exists] = await Promise.all([
        this.#patients.read(tx, patientId),
        this.#rows.exists(tx, patientId, amends),
      ]);
      if (!patient) throw fail('patient.not_found');
      if (!exists) throw fail('note.not_found');
    });
  }

  /** Newest first, amendments among them. */
  async list(ctx: TenantContext, patientId: PatientId, page: PageRequest<NoteKey>): Promise<Page<Note, NoteKey>> {
    demand(ctx, 'note.read');
    const { sharding, audit } = this.parts;
    const { patient, found } = await sharding.read(ctx, async (tx) => {
      const [known, rows] = await Promise.all([
        this.#patients.read(tx, patientId),
        this.#rows.list(tx, patientId, page),
      ]);
      return { patient: known, found: rows };
    });
    if (!patient) throw fail('patient.not_found');
    const items = await Promise.all(found.items.map((row) => this.#envelopes.openNote(ctx, row)));
    await audit.recordRead(ctx, {
      action: 'note.list',
      resourceType: 'patient',
      resourceId: patientId,
      subjectIds: [patientId],
    });
    return { ...found, items };
  }

  async #add(
    ctx: TenantContext,
    words: Pick<Note, 'patientId' | 'amends' | 'text'>,
    expect: (tx: WriteContext) => Promise<void>,
  ): Promise<Note> {
    demand(ctx, 'note.write');
    const { sharding, audit, clock, quotas } = this.parts;
    const id = newId<NoteId>();
    const sealed = await this.#envelopes.sealNote(ctx, id, words.text);
    return sharding.writeOnce(ctx, async (tx) => {
      await expect(tx);
      const note: Note = { ...words, id, writtenBy: actorIdOf(tx), writtenAt: clock.now() };
      this.#rows.insert(tx, { ...note, sealed });
      await audit.record(tx, {
        action: words.amends === null ? 'note.write' : 'note.amend',
        resourceType: 'note',
        resourceId: id,
        subjectIds: [words.patientId],
      });
      if (words.amends === null) await quotas.consume(tx, 'exams');
      return note;
    });
  }
}
