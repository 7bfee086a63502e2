import { Body, Controller, Get, Param, Post, Query } from '@nestjs/common';
import type { z } from 'zod';
import { type NoteId, type NoteKey, NotesService, type PatientId, permissionOf } from '#domain/patients';
import type { TenantContext } from '#infra/kernel';
import { Access, Ctx, PageQuery, type Paging, presentPage } from '../edge/index.js';
import { newNote, note, noteId, noteList, notes, presentNote } from './notes.dto.js';
import { patientId } from './patients.dto.js';

const write = {
  permission: permissionOf['note.write'],
  limit: 'write',
  idempotency: 'accepted',
  status: 201,
  answers: note,
} as const;

@Controller('api/v1/patients/:patientId/notes')
export class NotesController {
  constructor(private readonly notes: NotesService) {}

  @Get()
  @Access({
    permission: permissionOf['note.read'],
    audit: 'note.list',
    limit: 'read',
    answers: notes,
    summary: 'What was written about a patient, newest first, amendments among it',
  })
  async list(
    @Ctx() ctx: TenantContext,
    @Param('patientId', { schema: patientId }) id: PatientId,
    @Query({ schema: noteList }) _query: z.infer<typeof noteList>,
    @PageQuery() page: Paging<NoteKey>,
  ) {
    return presentPage(page, await this.notes.list(ctx, id, page), presentNote);
  }

  @Post()
  @Access({ ...write, audit: 'note.write', refusals: ['quota.exceeded'], summary: 'Write a note; it stays as it is' })
  async write(
    @Ctx() ctx: TenantContext,
    @Param('patientId', { schema: patientId }) id: PatientId,
    @Body({ schema: newNote }) { text }: z.infer<typeof newNote>,
  ) {
    return presentNote(await this.notes.write(ctx, id, text));
  }

  @Post(':noteId/amendments')
  @Access({ ...write, audit: 'note.amend', summary: 'Say beside a note what was wrong or missing in it' })
  async amend(
    @Ctx() ctx: TenantContext,
    @Param('patientId', { schema: patientId }) id: PatientId,
    @Param('noteId', { schema: noteId }) amends: NoteId,
    @Body({ schema: newNote }) { text }: z.infer<typeof newNote>,
  ) {
    return presentNote(await this.notes.amend(ctx, id, amends, text));
  }
}
