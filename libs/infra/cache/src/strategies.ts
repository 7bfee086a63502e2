import type { CacheConfig } from './cache.config.js';

/** How one kind of entry is kept. */
export interface Strategy {
  /** In Redis, before jitter. */
  readonly ttlS: number;
  /** In a process's memory; 0: never there. */
  readonly memoryTtlS: number;
  /** Gzip above 1,024 bytes, where it saves a tenth. */
  readonly compressed: boolean;
  /** In Redis only as an envelope of its tenant's `cache` key, bound to its own key. */
  readonly encrypted: boolean;
  /** Its misses are worth an alert. */
  readonly critical: boolean;
  /** One key means one content for ever, so that nothing has to hear of changes. */
  readonly immutable: boolean;
  /** Its keys are counted when they are asked for, and loaded ahead where somebody said how. */
  readonly warmed: boolean;
  /** How long after its end an entry is still answered while the source is away; 0: never. */
  readonly graceS: number;
}

/** Personal data and bearer codes stay in memory no longer than this. */
export const sealedMemoryTtlS = 30;
/** How long "there is none" is believed. */
export const absentTtlS = 30;
/** An entry is answered late for as long as it was fresh, and no longer than this. */
export const graceMaxS = 3_600;

type Flag = 'compressed' | 'encrypted' | 'critical' | 'immutable' | 'warmed';
interface Shape extends Partial<Pick<Strategy, Flag>> {
  readonly ttl: keyof CacheConfig & `${string}TtlS`;
  readonly inMemory?: false;
  /** Answered late where the source is away. */
  readonly late?: true;
}

/**
 * Closed: a new kind of entry is a line here. What is compressed and encrypted holds no text that a stranger chose. Nothing
 * that decides whether somebody may do something, or whether a card counts, is in any of them.
 */
const shapes = {
  memberData: { ttl: 'memberTtlS', compressed: true, encrypted: true, critical: true, warmed: true, late: true },
  cardData: { ttl: 'cardTtlS', encrypted: true, critical: true },
  /** A code is a bearer credential. */
  qrCodes: { ttl: 'qrTtlS', encrypted: true, immutable: true },
  pdfCards: { ttl: 'pdfTtlS', encrypted: true, inMemory: false },
  /** Totals and states of runs, no record of anybody. */
  reconciliation: { ttl: 'reconciliationTtlS', compressed: true, warmed: true, late: true },
  apiResponses: { ttl: 'apiResponsesTtlS', compressed: true, warmed: true },
  /** Figures, none about one person. */
  analytics: { ttl: 'analyticsTtlS', compressed: true, warmed: true, late: true },
  catalogue: { ttl: 'catalogueTtlS', compressed: true, warmed: true, late: true },
  /** No personal data: it lies in Redis as it is. */
  general: { ttl: 'generalTtlS', compressed: true },
} as const satisfies Readonly<Record<string, Shape>>;

export type StrategyName = keyof typeof shapes;
export const strategyNames = Object.keys(shapes) as readonly StrategyName[];

export function strategyOf(name: StrategyName, config: CacheConfig): Strategy {
  const shape: Shape = shapes[name];
  const ttlS = config[shape.ttl] as number;
  const encrypted = shape.encrypted ?? false;
  const memoryTtlS = Math.min(ttlS, config.memoryTtlS, encrypted ? sealedMemoryTtlS : Number.POSITIVE_INFINITY);
  return {
    ttlS,
    memoryTtlS: shape.inMemory === false ? 0 : memoryTtlS,
    compressed: shape.compressed ?? false,
    encrypted,
    critical: shape.critical ?? false,
    immutable: shape.immutable ?? false,
    warmed: shape.warmed ?? false,
    graceS: shape.late ? Math.min(ttlS, graceMaxS) : 0,
  };
}

/** Entries that are made together must not all end together: a tenth more or less. */
export const jittered = (ttlS: number, random: number): number => Math.round(ttlS * 1_000 * (0.9 + random * 0.2));
