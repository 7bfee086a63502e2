import type { Secret } from '#infra/config';
import type { Clock, Instant } from '#infra/kernel';
import type { TenantChange } from '../directory-news.js';
import type { MigratedDatabase } from '../migrating/options.js';

/** Where a move goes on when it is run again. */
export type MoveStep = 'preparing' | 'copying' | 'proving' | 'switching' | 'finishing' | 'done' | 'aborted';

/** A tenant's way from one shard to another, as the directory keeps it. */
export interface Move {
  readonly id: string;
  readonly tenantId: string;
  readonly source: string;
  readonly target: string;
  /** At which the target serves; the source serves at the one before. */
  readonly epoch: number;
  readonly schemaVersion: string;
  readonly step: MoveStep;
}

export interface MovableShard extends MigratedDatabase {
  /** Its replicas, as role praxis_ro. */
  readonly replicas: readonly Secret[];
}

/** Places that a move passes: its steps, and moments inside of the hand-over. */
export type MovePoint = MoveStep | 'replicated' | 'leaving' | 'handed_over' | 'switched';

export type MoveNews =
  | { readonly kind: 'point'; readonly point: MovePoint; readonly text: string }
  | {
      readonly kind: 'copying';
      readonly tables: number;
      readonly tablesReady: number;
      readonly rows: number;
      readonly rowsCopied: number;
      readonly bytes: number;
      readonly lagBytes: number | null;
    };

export interface MoverOptions {
  /** A superuser of every server. */
  readonly admin: { readonly user: string; readonly password: Secret };
  readonly directory: MigratedDatabase;
  readonly shards: readonly MovableShard[];
  readonly clock: Clock;
  /** Hears how far it is. */
  readonly report: (news: MoveNews) => void;
  /** Hears at which epoch a tenant is served from now on, once the directory says so. It may be lost. */
  readonly told?: (change: TenantChange) => void;
  /** Aborted, the mover stops where it is and leaves everything as it stands; run again, it goes on from there. */
  readonly signal?: AbortSignal;
  /** How long the source keeps the rows afterwards; a day unless said otherwise. */
  readonly keepMs?: number;
  /** How long a lagging replica or a long transaction is waited for; 5 minutes unless said otherwise. */
  readonly patienceMs?: number;
}

/** The tables of a tenant on one side, at one moment. */
export type Digest = Readonly<Record<string, { readonly rows: number; readonly sum: string }>>;

export interface MoveOutcome {
  readonly moveId: string;
  readonly tenantId: string;
  readonly source: string;
  readonly target: string;
  readonly epoch: number;
  readonly tables: number;
  readonly rows: number;
  readonly bytes: number;
  /** How long the tenant's transactions stood still, for the proof and for the hand-over; null where an earlier run did it. */
  readonly proofPauseMs: number | null;
  readonly pauseMs: number | null;
  /** The longest of all pauses of this run, attempts included that were given up. */
  readonly longestPauseMs: number;
  /** Until when the source keeps the rows. */
  readonly keepUntil: Instant;
}
