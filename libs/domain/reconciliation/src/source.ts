import type { Id, Instant } from '#infra/kernel';
import type { Mapping } from './mapping.js';

export type SourceId = Id<'source'>;

export const sourceKinds = ['pos', 'processor', 'bank', 'loyalty', 'financing', 'giftcard', 'manual'] as const;
export type SourceKind = (typeof sourceKinds)[number];

export interface NewSource {
  /** The tenant's own word for it, unlike any other of its sources. */
  readonly code: string;
  readonly name: string;
  readonly kind: SourceKind;
  readonly mapping: Mapping;
}

/** Where records come from, and how its files are read. Its currency is the mapping's. */
export interface Source extends NewSource {
  readonly id: SourceId;
  readonly currency: string;
  readonly createdAt: Instant;
}

/** Where a page of sources, statements or runs ends. */
export interface NewestKey {
  readonly id: string;
}
