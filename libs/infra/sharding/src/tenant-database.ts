import type { TenantCrypto } from '#infra/crypto';
import { type Clock, type Context, isAppError, newId, type TenantContext, toDate } from '#infra/kernel';
import type { NodePool, ReplicaFailure, ReplicaSet, WalPosition, WritePositions } from '#infra/replicas';
import { directoryName } from './databases.js';
import type { BulkContext, ReadContext, ReadOptions, TenantDatabase, WriteContext, WriteOptions } from './db.js';
import { entering } from './entry.js';
import { throughFailover } from './failover.js';
import { fail } from './sharding.errors.js';
import { type Transacted, transact, transactInBulk } from './transaction.js';

/** A database that serves a tenant, and the epoch at which the directory believes so. */
export interface Place {
  readonly database: string;
  readonly set: ReplicaSet;
  readonly epoch: number;
  /** Opened when it is asked for. */
  readonly bulk?: () => NodePool;
}

/** How to find the place of a tenant; `fresh` looks past every cache. */
export type Locate = (ctx: TenantContext, fresh: boolean) => Promise<Place> | Place;

export interface TenantDatabaseParts {
  readonly locate: Locate;
  readonly positions: WritePositions;
  readonly crypto: TenantCrypto;
  readonly clock: Clock;
  /** Longest run of a statement unless the request has less time left. */
  readonly statementTimeoutMs: number;
}

/** To be replayed before a replica may answer: null for nothing, 'unknown' where only the primary can. */
type Position = WalPosition | 'unknown' | null;

const notServedHere = 'TS001';
const notReplayed = 'TS002';
const idempotencyKeptMs = 24 * 3_600_000;
const busyRetryAfterMs = 1_000;
/** A replica cancels reads that hold up its replay; the primary would not. */
const replayConflicts: ReadonlySet<unknown> = new Set(['40001', '40P01']);
/** SQLSTATE classes that say the server, not the statement, is at fault: a read may be repeated elsewhere. */
const serverTrouble = /^(08|57P|53)/;

/** The verbs of TenantDatabase over wherever the tenant lives. */
export class RoutedDatabase implements TenantDatabase {
  constructor(private readonly parts: TenantDatabaseParts) {}

  async read<T>(
    ctx: TenantContext,
    fn: (tx: ReadContext) => Promise<T>,
    { from = 'primary', statementTimeoutMs: longestMs }: ReadOptions = {},
  ): Promise<T> {
    return this.#served(ctx, async (place) => {
      const answered = from === 'replica' ? await this.#readReplica(ctx, place, fn, longestMs) : undefined;
      if (answered) return answered.value;
      const entry = this.#entry(ctx, place, undefined, longestMs);
      const ask = async (pool: NodePool) =>
        (await transact(pool, 'read', entry, (db) => fn({ ...ctx, db }), longestMs)).value;
      return from === 'replica' ? place.set.instead(ask) : ask(place.set.primary);
    });
  }

  async write<T>(
    ctx: TenantContext,
    fn: (tx: WriteContext) => Promise<T>,
    { readBack = true }: WriteOptions = {},
  ): Promise<T> {
    return this.#write(ctx, fn, { readBack, keyed: false });
  }

  /** As `write`, for many rows: COPY works, statements may run until the Context's deadline, and nothing is repeated. */
  async bulk<T>(ctx: TenantContext, fn: (tx: BulkContext) => Promise<T>): Promise<T> {
    return this.#placed(ctx, (place) => {
      if (!place.bulk) throw fail('database.aborted', { internal: `no bulk loads in ${place.database}` });
      const pool = place.bulk();
      const timeoutMs = Math.max(1, Math.ceil(ctx.deadline - this.parts.clock.now()));
      const entry = entering({ tenantId: ctx.tenant.id, epoch: place.epoch, timeoutMs, after: null, onPrimary: true });
      return this.#written(ctx, place, (afterCommit) =>
        transactInBulk(pool, entry, (db) => fn({ ...ctx, db, afterCommit })),
      );
    });
  }

  writeOnce<T>(ctx: TenantContext, fn: (tx: WriteContext) => Promise<T>): Promise<T>;
  writeOnce<T, Seen>(
    ctx: TenantContext,
    fn: (tx: WriteContext, seen: Seen) => Promise<T>,
    look: (tx: ReadContext) => Promise<Seen>,
  ): Promise<T>;
  async writeOnce<T, Seen>(
    ctx: TenantContext,
    fn: (tx: WriteContext, seen: Seen) => Promise<T>,
    look?: (tx: ReadContext) => Promise<Seen>,
  ): Promise<T> {
    const see = look ?? (async () => undefined as Seen);
    const request = ctx.idempotency;
    if (!request) return this.write(ctx, async (tx) => fn(tx, await see(tx)));
    if (request.outcome !== 'unused') throw fail('database.aborted', { internal: 'one Idempotency-Key, two effects' });
    let replayed = false;
    const once = async (tx: WriteContext): Promise<T> => {
      const [claimed, seen] = await Promise.allSettled([this.#claim(tx, request.key, request.fingerprint), see(tx)]);
      const stored = resultOf(claimed);
      replayed = stored !== undefined;
      return stored ? this.#replay<T>(tx, stored) : this.#store(tx, await fn(tx, resultOf(seen)));
    };
    const value = await this.#write(ctx, once, { readBack: true, keyed: true });
    request.outcome = replayed ? 'replayed' : 'stored';
    return value;
  }

  async #write<T>(
    ctx: TenantContext,
    fn: (tx: WriteContext) => Promise<T>,
    { readBack, keyed }: { readonly readBack: boolean; readonly keyed: boolean },
  ): Promise<T> {
    const work = (place: Place) =>
      this.#written(ctx, place, (afterCommit) =>
        transact(place.set.primary, readBack ? 'write' : 'write unread', this.#entry(ctx, place), (db) =>
          fn({ ...ctx, db, afterCommit }),
        ),
      );
    return this.#served(ctx, work, keyed);
  }

  /** What follows a commit: the hooks, and where the writer's next reads must look. */
  async #written<T>(
    ctx: TenantContext,
    place: Place,
    work: (afterCommit: (hook: () => void) => void) => Promise<Transacted<T>>,
  ): Promise<T> {
    const committed: (() => void)[] = [];
    const { value, position } = await work((hook) => committed.push(hook));
    for (const hook of committed) runHook(hook);
    if (position !== null) await this.#remember(ctx, place, position);
    return value;
  }

  async #remember(ctx: TenantContext, { set, database }: Place, position: WalPosition): Promise<void> {
    if (!set.hasReplicas) return;
    if (ctx.consistency && set.lineage !== null) ctx.consistency.written = { database, position, lineage: set.lineage };
    await this.parts.positions.remember(ctx.tenant.id, actorId(ctx), database, position);
  }

  /** Where the tenant is served; and again, while its primary restarts or changes places. */
  #served<T>(ctx: TenantContext, work: (place: Place) => Promise<T>, keyed = false): Promise<T> {
    const leftMs = ctx.deadline - this.parts.clock.now();
    return throughFailover(() => this.#placed(ctx, work), { leftMs, keyed });
  }

  async #placed<T>(ctx: TenantContext, work: (place: Place) => Promise<T>): Promise<T> {
    const place = await this.parts.locate(ctx, false);
    try {
      return await work(place);
    } catch (error) {
      if ((error as { code?: unknown }).code !== notServedHere) throw ofShard(place, error);
      const found = await this.parts.locate(ctx, true);
      try {
        return await work(found);
      } catch (second) {
        if ((second as { code?: unknown }).code !== notServedHere) throw ofShard(found, second);
        throw fail('tenant.moving', { cause: second, retryAfterMs: 1_000 });
      }
    }
  }

  async #readReplica<T>(
    ctx: TenantContext,
    place: Place,
    fn: (tx: ReadContext) => Promise<T>,
    longestMs: number | undefined,
  ) {
    if (!place.set.hasReplicas) return undefined;
    const after = later(
      broughtAlong(ctx, place),
      await this.parts.positions.newest(ctx.tenant.id, actorId(ctx), place.database),
    );
    if (after === 'unknown') return undefined;
    const entry = this.#entry(ctx, place, after, longestMs);
    return place.set.onReplica(
      async (pool) => (await transact(pool, 'read', entry, (db) => fn({ ...ctx, db }), longestMs)).value,
      judgeReplica,
    );
  }

  /** `replayed`: for a replica, the position that it must have replayed. */
  #entry(ctx: TenantContext, place: Place, replayed?: WalPosition | null, longestMs?: number) {
    const leftMs = Math.max(1, ctx.deadline - this.parts.clock.now());
    const limitMs = longestMs ?? this.parts.statementTimeoutMs;
    const timeoutMs = leftMs < limitMs ? Math.ceil(leftMs) : (longestMs ?? null);
    const onPrimary = replayed === undefined;
    return entering({ tenantId: ctx.tenant.id, epoch: place.epoch, timeoutMs, after: replayed ?? null, onPrimary });
  }

  async #claim(tx: WriteContext, key: string, fingerprint: Buffer): Promise<{ answer: unknown } | undefined> {
    const [claim] = await tx.db.query<{
      state: 'new' | 'busy' | 'done';
      id: string;
      fingerprint: Buffer;
      answer: Buffer;
    }>('select state, id, fingerprint, answer from claim_idempotency_key($1, $2, $3)', [
      actorId(tx),
      key,
      toDate(this.parts.clock.now()),
    ]);
    if (!claim || claim.state === 'new') return undefined;
    if (claim.state === 'busy') throw fail('idempotency.in_progress', { retryAfterMs: busyRetryAfterMs });
    if (!claim.fingerprint.equals(fingerprint)) throw fail('idempotency.mismatch');
    const opened = await this.parts.crypto.open(tx.tenant.id, answerPlace(claim.id), claim.answer);
    return { answer: JSON.parse(opened.toString('utf8')).answer };
  }

  /**
   * A commit whose wait for the standby was cut short by a crash is there when its server is back. The message makes this
   * transaction's own commit wait for the standby, so that what is acknowledged here survives the next crash too.
   */
  #replay<T>(tx: WriteContext, { answer }: { readonly answer: unknown }): T {
    tx.db.send(`select pg_logical_emit_message(true, 'praxis.replay', '')`);
    return answer as T;
  }

  /** The answer as a repeat will get it. */
  async #store<T>(tx: WriteContext, answer: T): Promise<T> {
    const request = tx.idempotency;
    if (!request) return answer;
    const id = newId();
    const now = this.parts.clock.now();
    const plain = JSON.stringify({ answer });
    const sealed = await this.parts.crypto.seal(tx.tenant.id, answerPlace(id), Buffer.from(plain));
    tx.db.send(
      `insert into idempotency_key (tenant_id, id, actor_id, key, route, fingerprint, answer, created_at, expires_at)
       values ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
      [
        tx.tenant.id,
        id,
        actorId(tx),
        request.key,
        request.route,
        request.fingerprint,
        sealed,
        toDate(now),
        toDate(now + idempotencyKeptMs),
      ],
    );
    return JSON.parse(plain).answer;
  }
}

/** The position that a caller from elsewhere must see here; a write on another database has moved with its tenant. */
function broughtAlong({ consistency }: Context, { database, set }: Place): Position {
  const seen = consistency?.seen ?? null;
  if (seen === null || seen === 'unknown') return seen;
  if (seen.database === database && seen.lineage === set.lineage) return seen.position;
  return seen.old ? null : 'unknown';
}

function later(one: Position, other: Position): Position {
  if (one === 'unknown' || other === 'unknown') return 'unknown';
  if (one === null || other === null) return one ?? other;
  return one > other ? one : other;
}

const away: ReadonlySet<unknown> = new Set(['database.unreachable', 'database.lost', 'database.read_only']);

/** A shard that cannot be reached is its own tenants’ trouble alone, and they are told so. */
function ofShard({ database }: Place, error: unknown): unknown {
  if (database === directoryName || !isAppError(error) || !away.has(error.code)) return error;
  return fail('shard.unavailable', { internal: database, cause: error, retryAfterMs: error.options.retryAfterMs ?? 0 });
}

/** A tenant that came or moved a moment ago is not served at that epoch by a replica that has yet to hear of it. */
export function judgeReplica(error: unknown): ReplicaFailure {
  const code = String((error as { code?: unknown }).code);
  if (code === notReplayed || code === notServedHere || replayConflicts.has(code)) return 'behind';
  return away.has(code) || serverTrouble.test(code) ? 'broken' : 'own';
}

/** What a hook does may be lost, but the write stands: a failing hook neither fails it nor stops the next one. */
function runHook(hook: () => void): void {
  try {
    hook();
  } catch {
    // Nudges have a poll behind them, invalidations a time to live.
  }
}

function resultOf<T>(settled: PromiseSettledResult<T>): T {
  if (settled.status === 'rejected') throw settled.reason;
  return settled.value;
}

const answerPlace = (rowId: string) => ({ table: 'idempotency_key', rowId, group: 'answer' });

const actorId = ({ actor }: Context): string =>
  actor.kind === 'user' ? actor.id : actor.kind === 'system' ? `system:${actor.name}` : 'anonymous';
