import { LRUCache } from 'lru-cache';
import type { Clock, Instant, SessionId, Tenant, TenantId } from '#infra/kernel';
import type { Session } from './session.js';
import type { UserStatus } from './user.js';

/** What decides whether a verified token is still good, and for what. */
export interface Standing {
  readonly session: Session;
  readonly status: UserStatus;
  readonly permissionVersion: number;
  readonly permissions: ReadonlySet<string>;
}

/** Whatever ends a session or changes a user applies on every process after at most this long. */
export const stalenessMs = 1_000;
const standingsMax = 50_000;

interface Held {
  /** Before the load began: what was committed later may be missing. */
  readonly asOf: Instant;
  readonly standing: Promise<Standing | null>;
  /** Once it is there. */
  found?: Standing | null;
  isForgotten: boolean;
}

/** One that is there. */
export type KnownStanding = Held & { readonly found: Standing };

/** Standings of sessions, kept for a second from the start of their load; many who ask at once share one load. */
export class Standings {
  readonly #entries = new LRUCache<string, Held>({ max: standingsMax });

  constructor(
    private readonly load: (tenant: Tenant, sessionId: SessionId) => Promise<Standing | null>,
    private readonly clock: Clock,
  ) {}

  /** Null for a session that does not exist. `permissionVersion`: the least that the answer must know of. */
  async of(tenant: Tenant, sessionId: SessionId, permissionVersion: number): Promise<Standing | null> {
    const known = this.#fresh(tenant.id, sessionId)?.standing;
    const standing = await (known ?? this.#reload(tenant, sessionId));
    const isOld = known !== undefined && (standing?.permissionVersion ?? 0) < permissionVersion;
    return isOld ? this.#reload(tenant, sessionId) : standing;
  }

  /** As `of`, where nothing needs to be waited for; undefined says that only `of` can tell. */
  known(tenantId: TenantId, sessionId: SessionId, permissionVersion: number): KnownStanding | undefined {
    const held = this.#fresh(tenantId, sessionId);
    return isThere(held) && held.found.permissionVersion >= permissionVersion ? held : undefined;
  }

  /** Whether what was known is still good. */
  isFresh({ asOf, isForgotten }: Held): boolean {
    const ageMs = this.clock.now() - asOf;
    return !isForgotten && ageMs >= 0 && ageMs < stalenessMs;
  }

  /** The next question is answered from the database: for the process in which the session was ended. */
  forget(tenantId: TenantId, sessionId: SessionId): void {
    const key = keyOf(tenantId, sessionId);
    const held = this.#entries.peek(key);
    if (held !== undefined) held.isForgotten = true;
    this.#entries.delete(key);
  }

  #fresh(tenantId: TenantId, sessionId: SessionId): Held | undefined {
    const held = this.#entries.get(keyOf(tenantId, sessionId));
    return held !== undefined && this.isFresh(held) ? held : undefined;
  }

  #reload(tenant: Tenant, sessionId: SessionId): Promise<Standing | null> {
    const key = keyOf(tenant.id, sessionId);
    this.forget(tenant.id, sessionId);
    const asOf = this.clock.now();
    const standing = this.load(tenant, sessionId);
    const entry: Held = { asOf, standing, isForgotten: false };
    this.#entries.set(key, entry);
    standing.then(
      (found) => {
        entry.found = found;
      },
      () => {
        if (this.#entries.peek(key) === entry) this.#entries.delete(key);
      },
    );
    return standing;
  }
}

const isThere = (held: Held | undefined): held is KnownStanding => Boolean(held?.found);

const keyOf = (tenantId: TenantId, sessionId: SessionId): string => `${tenantId}|${sessionId}`;
