import { z } from 'zod';
import type { TenantCrypto } from '#infra/crypto';
import type { TenantContext } from '#infra/kernel';
import type { LocalDate } from '#infra/time';
import type { Note, NoteId } from './note.js';
import type { NoteRow } from './notes.repository.js';
import {
  type Demographics,
  demographicsOf,
  type Patient,
  type PatientId,
  type PatientVersion,
  sexes,
} from './patient.js';
import type { PatientRow, VersionRow } from './patients.repository.js';

const text = z.string().nullable();
const demographicsSchema = z.strictObject({
  family: z.string(),
  given: text,
  birthDate: text.transform((date) => date as LocalDate | null),
  sex: z.enum(sexes),
  phone: text,
  email: text,
  address: z.strictObject({ street: text, city: text, region: text, postcode: text, country: text }).nullable(),
});

const notePlace = (rowId: NoteId) => ({ table: 'clinical_note', rowId, group: 'content' });
const noteSchema = z.strictObject({ text: z.string() });

const patientPlace = (rowId: PatientId) => ({ table: 'patient', rowId, group: 'demographics' });
const versionPlace = (rowId: string) => ({ table: 'patient_version', rowId, group: 'demographics' });

/** Who somebody is and what is written about them, sealed before it reaches a row and opened only for a reader. */
export class Envelopes {
  constructor(private readonly crypto: TenantCrypto) {}

  seal({ tenant }: TenantContext, id: PatientId, demographics: Demographics): Promise<Buffer> {
    return this.crypto.sealJson(tenant.id, patientPlace(id), demographicsOf(demographics));
  }

  sealVersion({ tenant }: TenantContext, versionId: string, demographics: Demographics): Promise<Buffer> {
    return this.crypto.sealJson(tenant.id, versionPlace(versionId), demographicsOf(demographics));
  }

  async open({ tenant }: TenantContext, { sealed, ...row }: PatientRow): Promise<Patient> {
    const opened = await this.crypto.openJson(tenant.id, patientPlace(row.id), sealed);
    return { ...row, ...demographicsSchema.parse(opened) };
  }

  async openVersion({ tenant }: TenantContext, { id, sealed, ...row }: VersionRow): Promise<PatientVersion> {
    const opened = await this.crypto.openJson(tenant.id, versionPlace(id), sealed);
    return { ...row, demographics: demographicsSchema.parse(opened) };
  }

  sealNote({ tenant }: TenantContext, id: NoteId, text: string): Promise<Buffer> {
    return this.crypto.sealJson(tenant.id, notePlace(id), { text });
  }

  async openNote({ tenant }: TenantContext, { sealed, ...row }: NoteRow): Promise<Note> {
    const opened = await this.crypto.openJson(tenant.id, notePlace(row.id), sealed);
    return { ...row, ...noteSchema.parse(opened) };
  }
}
