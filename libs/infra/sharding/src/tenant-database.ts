import type { TenantCrypto } from '#infra/crypto';
import { type Clock, type Context, isAppError, newId, type TenantContext, toDate } from '#infra/kernel';
import type { NodePool, ReplicaFailure, ReplicaSet, WalPosition, WritePositions } from '#infra/replicas';
import { directoryName } from './databases.js';
import type { BulkContext, ReadContext, ReadOptions, TenantDatabase, WriteContext, WriteOptions } from './db.js';
import { fail } from './sharding.errors.js';
import { entering, type Transacted, transact, transactInBulk } from './transaction.js';

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
    { from = 'primary' }: ReadOptions = {},
  ): Promise<T> {
    return this.#served(ctx, async (place) => {
      const answered = from === 'replica' ? await this.#readReplica(ctx, place, fn) : undefined;
      if (answered) return answered.value;
      const ask = async (pool: NodePool) =>
        (await transact(pool, 'read', this.#entry(ctx, place, null), (db) => fn({ ...ctx, db }))).value;
      return from === 'replica' ? place.set.instead(ask) : ask(place.set.primary);
    });
  }

  async write<T>(
    ctx: TenantContext,
    fn: (tx: WriteContext) => Promise<T>,
    { readBack = true }: WriteOptions = {},
  ): Promise<T> {
    return this.#served(ctx, (place) =>
      this.#written(ctx, place, readBack, (afterCommit) =>
        transact(place.set.primary, 'write', this.#entry(ctx, place, null), (db) => fn({ ...ctx, db, afterCommit })),
      ),
    );
  }

  /** As `write`, for many rows: COPY works, and statements may run until the Context's deadline. */
  async bulk<T>(ctx: TenantContext, fn: (tx: BulkContext) => Promise<T>): Promise<T> {
    return this.#served(ctx, (place) => {
      if (!place.bulk) throw fail('database.aborted', { internal: `no bulk loads in ${place.database}` });
      const pool = place.bulk();
      const timeoutMs = Math.max(1, Math.ceil(ctx.deadline - this.parts.clock.now()));
      const entry = entering({ tenantId: ctx.tenant.id, epoch: place.epoch, timeoutMs, after: null });
      return this.#written(ctx, place, true, (afterCommit) =>
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
    const value = await this.write(ctx, async (tx) => {
      const [claimed, seen] = await Promise.allSettled([this.#claim(tx, request.key, request.fingerprint), see(tx)]);
      const stored = resultOf(claimed);
      replayed = stored !== undefined;
      return stored ? (stored.answer as T) : this.#store(tx, await fn(tx, resultOf(seen)));
    });
    request.outcome = replayed ? 'replayed' : 'stored';
    return value;
  }

  /** What follows a commit: the hooks, and where the writer's next reads must look. */
  async #written<T>(
    ctx: TenantContext,
    place: Place,
    readBack: boolean,
    work: (afterCommit: (hook: () => void) => void) => Promise<Transacted<T>>,
  ): Promise<T> {
    const committed: (() => void)[] = [];
    const { value, position } = await work((hook) => committed.push(hook));
    for (const hook of committed) runHook(hook);
    if (readBack && position !== null) await this.#remember(ctx, place, position);
    return value;
  }

  async #remember(ctx: TenantContext, { set, database }: Place, position: WalPosition): Promise<void> {
    if (!set.hasReplicas) return;
    if (ctx.consistency && set.lineage !== null) ctx.consistency.written = { database, position, lineage: set.lineage };
    await this.parts.positions.remember(ctx.tenant.id, actorId(ctx), database, position);
  }

  async #served<T>(ctx: TenantContext, work: (place: Place) => Promise<T>): Promise<T> {
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

  async #readReplica<T>(ctx: TenantContext, place: Place, fn: (tx: ReadContext) => Promise<T>) {
    if (!place.set.hasReplicas) return undefined;
    const after = later(
      broughtAlong(ctx, place),
      await this.parts.positions.newest(ctx.tenant.id, actorId(ctx), place.database),
    );
    if (after === 'unknown') return undefined;
    return place.set.onReplica(
      async (pool) => (await transact(pool, 'read', this.#entry(ctx, place, after), (db) => fn({ ...ctx, db }))).value,
      judgeReplica,
    );
  }

  #entry(ctx: TenantContext, place: Place, after: bigint | null) {
    const leftMs = Math.max(1, ctx.deadline - this.parts.clock.now());
    const timeoutMs = leftMs < this.parts.statementTimeoutMs ? Math.ceil(leftMs) : null;
    return entering({ tenantId: ctx.tenant.id, epoch: place.epoch, timeoutMs, after });
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
  return seen.database === database && seen.lineage === set.lineage ? seen.position : 'unknown';
}

function later(one: Position, other: Position): Position {
  if (one === 'unknown' || other === 'unknown') return 'unknown';
  if (one === null || other === null) return one ?? other;
  return one > other ? one : other;
}

/** A shard that cannot be reached is its own tenants’ trouble alone, and they are told so. */
function ofShard({ database }: Place, error: unknown): unknown {
  if (database === directoryName || !isAppError(error, 'database.unreachable')) return error;
  return fail('shard.unavailable', { internal: database, cause: error, retryAfterMs: error.options.retryAfterMs ?? 0 });
}

/** A tenant that came or moved a moment ago is not served at that epoch by a replica that has yet to hear of it. */
function judgeReplica(error: unknown): ReplicaFailure {
  const code = String((error as { code?: unknown }).code);
  if (code === notReplayed || code === notServedHere || replayConflicts.has(code)) return 'behind';
  const lost = code === 'database.unreachable' || code === 'shard.unavailable';
  return lost || serverTrouble.test(code) ? 'broken' : 'own';
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
