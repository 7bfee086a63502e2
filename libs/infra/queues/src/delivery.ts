import { z } from 'zod';

/** Where a job's outbox row stands: in the tenant's shard, or among the tenant's rows in the directory. */
export const places = ['shard', 'directory'] as const;
export type Place = (typeof places)[number];

const Data = z.strictObject({ tenantId: z.uuid(), requestId: z.string().max(200), place: z.enum(places) });

/** All that Redis carries of a job. It only says where to look: name, payload and tenant are read from the outbox. */
export type DeliveryData = z.infer<typeof Data>;

/** A job as a queue hands it over; nothing in it is believed before the outbox confirms it. */
export interface Delivery {
  readonly id: string;
  readonly name: string;
  readonly data: unknown;
  /** Attempts that failed before this one. */
  readonly failedAttempts: number;
}

export const deliveryData = (data: unknown): DeliveryData | null => Data.safeParse(data).data ?? null;
