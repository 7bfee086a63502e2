import { newId, toDate } from '#infra/kernel';
import { violatedConstraint } from '../violations.js';
import type { Move, MoverOptions, MoveStep } from './move.js';
import { fail } from './moves.errors.js';
import type { Session } from './session.js';

const dayMs = 86_400_000;
const columns = `id, tenant_id as "tenantId", source, target, epoch, schema_version::text as "schemaVersion", step`;

export interface TenantRow {
  readonly id: string;
  readonly slug: string;
  readonly shardId: string;
  readonly epoch: number;
}

export interface Progress {
  readonly rowsCopied: number;
  readonly lagBytes: number | null;
}

/** What the directory knows of moves. Every change of a step names the step before it: two movers cannot both take it. */
export class MoveRecords {
  constructor(
    private readonly directory: Session,
    private readonly options: Pick<MoverOptions, 'clock' | 'keepMs'>,
  ) {}

  /** By id or short name. */
  async tenant(named: string): Promise<TenantRow> {
    const [row] = await this.directory.query<TenantRow>(
      'select id, slug, shard_id as "shardId", epoch from tenant where id::text = $1 or slug = $1',
      [named],
    );
    if (row === undefined) throw fail('move.refused', { internal: `there is no tenant ${named}` });
    return row;
  }

  async shardState(id: string): Promise<string | null> {
    const [row] = await this.directory.query<{ state: string }>('select state from shard where id = $1', [id]);
    return row?.state ?? null;
  }

  /** The tenant's region is that shard's, or the shard that it lives on is in the same. */
  async mayLiveOn(tenant: TenantRow, shardId: string): Promise<boolean> {
    const rows = await this.directory.query(
      `select from shard s join tenant t on t.id = $1 join shard now on now.id = t.shard_id
        where s.id = $2 and s.region in (t.region, now.region)`,
      [tenant.id, shardId],
    );
    return rows.length > 0;
  }

  async underWay(tenantId: string): Promise<Move | null> {
    const [move] = await this.directory.query<Move>(
      `select ${columns} from tenant_move where tenant_id = $1 and ended_at is null`,
      [tenantId],
    );
    return move ?? null;
  }

  /** Routers learn from now on where else the tenant may be. */
  async begin(tenant: TenantRow, target: string, schemaVersion: string): Promise<Move> {
    try {
      return await this.directory.transaction(async () => {
        const at = this.#now();
        const move = await this.directory.one<Move>(
          `insert into tenant_move (id, tenant_id, source, target, epoch, schema_version, step, started_at, heartbeat_at)
           values ($1, $2, $3, $4, $5, $6, 'preparing', $7, $7) returning ${columns}`,
          [newId(), tenant.id, tenant.shardId, target, tenant.epoch + 1, schemaVersion, at],
        );
        await this.directory.execute(
          `update tenant set moving_to = $2, state = case state when 'active' then 'moving' else state end where id = $1`,
          [tenant.id, target],
        );
        return move;
      });
    } catch (error) {
      if (violatedConstraint(error) !== 'tenant_move_one_way') throw error;
      throw fail('move.under_way', { internal: `another tenant moves from ${tenant.shardId} to ${target}` });
    }
  }

  async enter(move: Move, step: MoveStep): Promise<Move> {
    const [entered] = await this.directory.query<Move>(
      `update tenant_move set step = $3, error = null, heartbeat_at = $4 where id = $1 and step = $2 returning ${columns}`,
      [move.id, move.step, step, this.#now()],
    );
    if (entered === undefined) throw fail('move.under_way', { internal: 'somebody else took the next step' });
    return entered;
  }

  /** From the beginning, because the shards have another schema since. */
  async restart(move: Move, schemaVersion: string): Promise<Move> {
    await this.directory.execute('update tenant_move set schema_version = $2 where id = $1', [move.id, schemaVersion]);
    return { ...(await this.enter(move, 'preparing')), schemaVersion };
  }

  async noteSize(move: Move, rows: number, bytes: number): Promise<void> {
    await this.directory.execute('update tenant_move set rows = $2, bytes = $3 where id = $1', [move.id, rows, bytes]);
  }

  async noteProgress(move: Move, { rowsCopied, lagBytes }: Progress): Promise<void> {
    await this.directory.execute(
      'update tenant_move set rows_copied = $2, lag_bytes = $3, heartbeat_at = $4 where id = $1',
      [move.id, Math.round(rowsCopied), lagBytes === null ? null : Math.round(lagBytes), this.#now()],
    );
  }

  async noteProof(move: Move, proof: unknown): Promise<void> {
    await this.directory.execute('update tenant_move set proof = $2 where id = $1', [move.id, JSON.stringify(proof)]);
  }

  async notePause(move: Move, pauseMs: number): Promise<void> {
    await this.directory.execute('update tenant_move set pause_ms = $2 where id = $1', [move.id, pauseMs]);
  }

  async noteError(move: Move, message: string): Promise<void> {
    await this.directory.execute(
      'update tenant_move set error = $2, heartbeat_at = $3 where id = $1 and ended_at is null',
      [move.id, message, this.#now()],
    );
  }

  /** The directory says what is true since the hand-over. */
  async flip(move: Move): Promise<Move> {
    return this.directory.transaction(async () => {
      const flipped = await this.directory.execute(
        `update tenant set shard_id = $2, epoch = $3, moving_to = null,
                state = case state when 'moving' then 'active' else state end
          where id = $1 and shard_id = $4 and epoch = $3 - 1`,
        [move.tenantId, move.target, move.epoch, move.source],
      );
      if (flipped !== 1) throw fail('move.under_way', { internal: 'the directory holds another epoch of the tenant' });
      return this.enter(move, 'finishing');
    });
  }

  async end(move: Move): Promise<{ readonly keepUntil: number; readonly rows: number; readonly bytes: number }> {
    const now = this.options.clock.now();
    const keepUntil = now + (this.options.keepMs ?? dayMs);
    const [row] = await this.directory.query<{ rows: number | null; bytes: number | null }>(
      `update tenant_move set step = 'done', error = null, heartbeat_at = $2, ended_at = $2, keep_until = $3
        where id = $1 and step = 'finishing' returning rows::float8 as rows, bytes::float8 as bytes`,
      [move.id, toDate(now), toDate(keepUntil)],
    );
    if (row === undefined) throw fail('move.under_way', { internal: 'somebody else ended the move' });
    return { keepUntil, rows: row.rows ?? 0, bytes: row.bytes ?? 0 };
  }

  async abort(move: Move): Promise<void> {
    await this.directory.transaction(async () => {
      await this.directory.execute(
        `update tenant set moving_to = null, state = case state when 'moving' then 'active' else state end where id = $1`,
        [move.tenantId],
      );
      await this.directory.execute(
        `update tenant_move set step = 'aborted', ended_at = $2, cleaned_at = $2, heartbeat_at = $2 where id = $1 and step = $3`,
        [move.id, this.#now(), move.step],
      );
    });
  }

  /** Ended moves whose source still holds rows that may go. */
  async leftBehind(): Promise<readonly Move[]> {
    return this.directory.query<Move>(
      `select ${columns} from tenant_move where step = 'done' and cleaned_at is null and keep_until <= $1 and not coalesce(proof ? 'unequal', false) order by keep_until limit 100`,
      [this.#now()],
    );
  }

  /** Nothing of the tenant's earlier stay is left on the shard. */
  async noteCleaned(tenantId: string, shardId: string): Promise<void> {
    await this.directory.execute(
      `update tenant_move set cleaned_at = $3 where tenant_id = $1 and source = $2 and step = 'done' and cleaned_at is null`,
      [tenantId, shardId, this.#now()],
    );
  }

  #now(): Date {
    return toDate(this.options.clock.now());
  }
}
