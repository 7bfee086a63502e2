import type { Id, Instant } from '#infra/kernel';
import type { PatientId } from './patient.js';

export type NoteId = Id<'note'>;

export const noteLimits = { textLength: 20_000 } as const;

/** What somebody wrote about a patient. It stays as it is; what was wrong or missing is said by one that amends it. */
export interface Note {
  readonly id: NoteId;
  readonly patientId: PatientId;
  /** The note that this one amends; null for a note of its own. */
  readonly amends: NoteId | null;
  readonly text: string;
  readonly writtenBy: string;
  readonly writtenAt: Instant;
}

/** Where a list of notes goes on. */
export interface NoteKey {
  readonly id: NoteId;
}
