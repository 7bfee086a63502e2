import { z } from 'zod';
import type { TenantCrypto } from '#infra/crypto';
import type { TenantContext } from '#infra/kernel';
import type { Appointment, AppointmentId, Client, HistoryEntry } from './appointment.js';
import type { AppointmentRow, HistoryRow } from './appointments.repository.js';

const clientSchema = z.strictObject({
  name: z.string(),
  phone: z.string().optional(),
  email: z.string().optional(),
  note: z.string().optional(),
});
const noteSchema = z.string();

const clientPlace = (rowId: string) => ({ table: 'appointment', rowId, group: 'client' });
const notePlace = (rowId: string) => ({ table: 'appointment_history', rowId, group: 'note' });

/** What people said about themselves, sealed before it reaches a row and opened only for a reader. */
export class Envelopes {
  constructor(private readonly crypto: TenantCrypto) {}

  sealClient({ tenant }: TenantContext, id: AppointmentId, client: Client, note: string | undefined): Promise<Buffer> {
    return this.crypto.sealJson(tenant.id, clientPlace(id), { ...client, ...(note ? { note } : {}) });
  }

  async openAppointment(ctx: TenantContext, { sealed, ...row }: AppointmentRow): Promise<Appointment> {
    const opened = await this.crypto.openJson(ctx.tenant.id, clientPlace(row.id), sealed);
    const { note, ...client } = clientSchema.parse(opened);
    return { ...row, client, note: note ?? null };
  }

  async sealNote(
    { tenant }: TenantContext,
    historyId: string,
    note: string | null | undefined,
  ): Promise<Buffer | null> {
    return note ? this.crypto.sealJson(tenant.id, notePlace(historyId), note) : null;
  }

  async openHistory(ctx: TenantContext, { id, sealedNote, ...row }: HistoryRow): Promise<HistoryEntry> {
    if (sealedNote === null) return { ...row, note: null };
    return { ...row, note: noteSchema.parse(await this.crypto.openJson(ctx.tenant.id, notePlace(id), sealedNote)) };
  }
}
