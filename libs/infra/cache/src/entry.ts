/** A value on its way into the tiers. */
export interface Entry {
  readonly packed: Buffer;
  /** What the generation of its key was before it was loaded; null: unknown, so that Redis must not have it. */
  readonly generation: string | null;
  /** Of the bus, when its reading began: memory must not have it where a message was missed since. */
  readonly epoch: number;
  /** False once its key was forgotten or its load took too long; asked at the moment of keeping. */
  readonly intact: () => boolean;
}

/** What the tiers know of a key. */
export type Found =
  | { readonly kind: 'held'; readonly packed: Buffer; readonly leftMs: number }
  /** `refused`: somebody else wrote or changed what lay in Redis. */
  | { readonly kind: 'vacant'; readonly generation: string | null; readonly refused?: true };

export const unknownVacancy: Found = { kind: 'vacant', generation: null };
