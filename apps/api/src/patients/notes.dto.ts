import { z } from 'zod';
import { type Note, type NoteId, noteLimits } from '#domain/patients';
import { idOf, instantText, listQuery, pageOf, utcText } from '../edge/index.js';
import { patientId } from './patients.dto.js';

export const noteId = idOf<NoteId>('note');

export const newNote = z.strictObject({ text: z.string().trim().min(1).max(noteLimits.textLength) });
export const noteList = listQuery({});

export const note = z.strictObject({
  id: noteId,
  patientId,
  amends: noteId.nullable().meta({ description: 'the note that this one amends; null for a note of its own' }),
  text: z.string(),
  writtenBy: z.string(),
  writtenAt: instantText,
});
export const notes = pageOf(note);

export const presentNote = ({ writtenAt, ...of }: Note) =>
  ({ ...of, writtenAt: utcText(writtenAt) }) satisfies z.input<typeof note>;
