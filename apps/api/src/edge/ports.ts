import type { CursorBinding } from '#infra/crypto';
import type { Clock, Context, Tenant, TenantId, UserActor } from '#infra/kernel';
import type { HttpMetrics, Log } from '#infra/telemetry';
import type { Admission, Door, LimitClassName, LimitCost, LimitResult, LimitSubject } from '#infra/throttling';
import type { ApiConfig } from '../api.config.js';
import type { TokenIssuer } from './consistency.js';
import type { Recall } from './remembered.js';

/** identity's `Sessions`. */
export interface Authenticator {
  authenticate(token: string): Promise<Party>;
  /** Who is known without asking anybody; everybody else is authenticated. */
  known?(token: string): Party | undefined;
}
/** Who asks, and for whom. */
export interface Party {
  readonly tenant: Tenant;
  readonly actor: UserActor;
}

/** audit's `Audit`. */
export interface DenialRecorder {
  recordDenied(ctx: Context, action: string): Promise<void>;
}

/** crypto's `TenantCrypto`. */
export interface Fingerprinter {
  fingerprint(tenantId: TenantId, parts: readonly (string | Buffer)[]): Promise<Buffer>;
}

/** crypto's `SealedCursor`. */
export interface CursorSealer {
  seal(tenantId: TenantId, binding: CursorBinding, keyset: unknown): Promise<string>;
  open(tenantId: TenantId, binding: CursorBinding, cursor: string): Promise<unknown>;
}

/** What the edge asks of the rest of the house. */
export interface EdgeParts {
  readonly config: ApiConfig;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: HttpMetrics;
  readonly sessions: Authenticator;
  readonly audit: DenialRecorder;
  readonly fingerprints: Fingerprinter;
  readonly cursors: CursorSealer;
  readonly limits: RateLimiter;
  readonly doors: Readonly<Record<Door, Admission>>;
  /** Without it nobody carries along where they wrote. */
  readonly consistency?: TokenIssuer;
  /** By the name that a route's rule gives. */
  readonly remembered?: Readonly<Record<string, Recall>>;
  readonly isDraining: () => boolean;
}

/** throttling's `Limits`. */
export interface RateLimiter {
  consume(
    classes: readonly LimitClassName[],
    subject: LimitSubject,
    cost?: LimitCost,
  ): LimitResult | Promise<LimitResult>;
  /** Counts a failed attempt to get in; for how many ms its answer is held back. */
  failed?(subject: LimitSubject): Promise<number>;
}
