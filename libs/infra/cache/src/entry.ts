import type { SeenWrite, TenantContext } from '#infra/kernel';

/** Where a value comes from; it travels with the value through every tier. */
export interface Origin {
  /** Redis' own clock, in microseconds, before the load began: what was forgotten later than that is not to be had. */
  readonly clockUs: number;
  /** How long it is fresh, from its load on; jittered. */
  readonly ttlMs: number;
  /** What its load took. */
  readonly costMs: number;
  /** The write that the loading request knew of: whoever knows of that one, or of an older one, may have the value. */
  readonly seen: SeenWrite | null;
  /** What it is forgotten with, besides its own key. */
  readonly tags: readonly string[];
}

export interface Value {
  readonly packed: Buffer;
  readonly origin: Origin;
}

/** A value on its way into the tiers. */
export interface Entry extends Value {
  /** Of the bus, when its reading began: memory must not have it where a message was missed since. */
  readonly epoch: number;
  /** Of the memory's forgettings, when its reading began. */
  readonly mark: number;
  /** Held by this process while it loads, so that others wait for the value. */
  readonly claim: string | null;
}

/** What the tiers know of a key. `clockUs` is null where Redis cannot be asked: then it must not be told either. */
export type Found =
  | ({ readonly kind: 'held'; readonly leftMs: number; readonly clockUs: number | null } & Value)
  | {
      readonly kind: 'vacant';
      readonly clockUs: number | null;
      /** Ours to load; null: nobody's, or another process's. */
      readonly claim: string | null;
      /** Somebody else wrote or changed what lay in Redis. */
      readonly refused?: true;
      /** No longer fresh, still to be had where the source is not. */
      readonly late?: Value & { readonly ageMs: number };
    };

export const unknownVacancy: Found = { kind: 'vacant', clockUs: null, claim: null };

/** Whether somebody who asks in this context may have what was loaded from there. */
export function covers({ seen }: Pick<Origin, 'seen'>, { consistency }: TenantContext): boolean {
  const wanted = consistency?.seen ?? null;
  if (wanted === null) return true;
  if (wanted === 'unknown' || seen === null) return false;
  return seen.database === wanted.database && seen.lineage === wanted.lineage && seen.position >= wanted.position;
}

/** The write that a load in this context is sure to see. */
export function seenBy({ consistency }: TenantContext): SeenWrite | null {
  const seen = consistency?.seen ?? null;
  return seen === 'unknown' ? null : seen;
}
