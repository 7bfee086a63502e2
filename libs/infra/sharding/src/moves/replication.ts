import { randomBytes } from 'node:crypto';
import type { Secret } from '#infra/config';
import type { Move } from './move.js';
import { fail } from './moves.errors.js';
import { codeOf, type Session } from './session.js';
import type { TenantTable } from './tenant-tables.js';

const passwordBytes = 24;
const slotFreeAttempts = 100;
const slotFreePauseMs = 50;
const objectInUse = '55006';

export interface ReplicationState {
  /** False after an error of PostgreSQL's, which its log names. */
  readonly enabled: boolean;
  /** Tables that follow the source. */
  readonly ready: number;
  /** Tables whose rows are there; what changed meanwhile may still be on its way. */
  readonly copied: readonly string[];
  readonly tables: number;
  /** Rows that the copies under way have brought. */
  readonly copying: number;
}

/**
 * PostgreSQL's own logical replication of one tenant's rows: role, publication and slot on the source, a subscription on
 * the target, all named after the move. Each verb may be called again whatever an earlier run left.
 */
export class Replication {
  readonly #name: string;

  constructor(
    private readonly move: Move,
    private readonly source: Session,
    private readonly target: Session,
    private readonly sourceUrl: Secret,
  ) {
    this.#name = `praxis_move_${move.id.replaceAll('-', '')}`;
  }

  /** Begins to bring every row that the tenant has, and every change from now on. */
  async start(tables: readonly TenantTable[]): Promise<void> {
    const password = await this.#ensureRole();
    await this.#ensurePublication(tables);
    await this.#ensureSlot();
    await this.#ensureSubscription(password);
  }

  /** `lost`: the target followed, and its place in the source's log is gone. */
  async standing(): Promise<'none' | 'following' | 'lost'> {
    if ((await this.#subscriptionId()) === null) return 'none';
    const [slot] = await this.source.query(
      `select from pg_replication_slots where slot_name = $1 and wal_status <> 'lost'`,
      [this.#name],
    );
    return slot === undefined ? 'lost' : 'following';
  }

  /** After an error. */
  async resume(): Promise<void> {
    await this.target.query(`alter subscription ${this.#name} enable`);
  }

  async state(): Promise<ReplicationState> {
    const [state] = await this.target.query<ReplicationState>(
      `select s.subenabled as enabled, count(r.*)::int as tables,
              count(*) filter (where r.srsubstate = 'r')::int as ready,
              coalesce(array_agg(r.srrelid::regclass::text) filter (where r.srsubstate in ('f', 's', 'r')), '{}') as copied,
              (select coalesce(sum(p.tuples_processed), 0)::float8 from pg_stat_progress_copy p
                where p.datname = current_database() and p.relid in (select srrelid from pg_subscription_rel where srsubid = s.oid)) as copying
         from pg_subscription s left join pg_subscription_rel r on r.srsubid = s.oid
        where s.subname = $1 and s.subdbid = (select oid from pg_database where datname = current_database())
        group by s.oid, s.subenabled`,
      [this.#name],
    );
    if (state === undefined) throw fail('move.replication_failed', { internal: 'the subscription is gone' });
    return state;
  }

  /** How far the target is behind, in bytes of the source's log; null while nobody follows. */
  async lagBytes(): Promise<number | null> {
    const [row] = await this.source.query<{ lag: number }>(
      `select pg_wal_lsn_diff(pg_current_wal_flush_lsn(), replay_lsn)::float8 as lag
         from pg_stat_replication where application_name = $1 and replay_lsn is not null`,
      [this.#name],
    );
    return row === undefined ? null : Math.max(0, row.lag);
  }

  /** Leaves nothing of it on either server. */
  async stop(): Promise<void> {
    if ((await this.#subscriptionId()) !== null) await this.#dropSubscription();
    await this.#dropSlot();
    await this.source.query(`drop publication if exists ${this.#name}`);
    await this.#dropRole();
  }

  /**
   * A login for the subscription alone: it may replicate and read, and nothing else. Its password stands in the target's
   * catalogue, where only superusers read it, until the move ends.
   */
  async #ensureRole(): Promise<string> {
    const password = randomBytes(passwordBytes).toString('base64url');
    const [role] = await this.source.query('select from pg_roles where rolname = $1', [this.#name]);
    if (role === undefined)
      await this.source.query(`create role ${this.#name} login replication bypassrls in role pg_read_all_data`);
    const { name } = await this.source.one<{ name: string }>('select current_database() as name');
    await this.source.query(`set password_encryption = 'scram-sha-256'`);
    await this.source.query(`alter role ${this.#name} password ${this.source.literal(password)}`);
    await this.source.query(`grant connect on database ${this.source.identifier(name)} to ${this.#name}`);
    return password;
  }

  /** No TRUNCATE: on the target it would empty the table of every tenant. */
  async #ensurePublication(tables: readonly TenantTable[]): Promise<void> {
    const [there] = await this.source.query('select from pg_publication where pubname = $1', [this.#name]);
    if (there !== undefined) return;
    const filter = `where (tenant_id = ${this.source.literal(this.move.tenantId)})`;
    const list = tables.map(({ name }) => `${this.source.identifier(name)} ${filter}`).join(', ');
    await this.source.query(
      `create publication ${this.#name} for table ${list}
         with (publish = 'insert, update, delete', publish_via_partition_root = true)`,
    );
  }

  /** Made here, not by the subscription: two shards may be databases of one server, where that would wait for itself. */
  async #ensureSlot(): Promise<void> {
    const [there] = await this.source.query('select from pg_replication_slots where slot_name = $1', [this.#name]);
    if (there === undefined)
      await this.source.query(`select pg_create_logical_replication_slot($1, 'pgoutput')`, [this.#name]);
  }

  async #ensureSubscription(password: string): Promise<void> {
    const connection = this.target.literal(this.#connection(password));
    if ((await this.#subscriptionId()) !== null) {
      await this.target.query(`alter subscription ${this.#name} connection ${connection}`);
      await this.resume();
      return;
    }
    await this.target.query(
      `create subscription ${this.#name} connection ${connection} publication ${this.#name}
         with (create_slot = false, slot_name = ${this.#name}, copy_data = true, disable_on_error = true)`,
    );
  }

  /** How the target's server reaches the source's. */
  #connection(password: string): string {
    const given = new URL(this.sourceUrl.reveal());
    const url = new URL(`postgresql://${this.#name}:${password}@${given.host}${given.pathname}`);
    const sslmode = given.searchParams.get('sslmode');
    if (sslmode !== null) url.searchParams.set('sslmode', sslmode);
    return url.toString();
  }

  async #subscriptionId(): Promise<string | null> {
    const [row] = await this.target.query<{ id: string }>(
      `select s.oid::text as id from pg_subscription s join pg_database d on d.oid = s.subdbid
        where s.subname = $1 and d.datname = current_database()`,
      [this.#name],
    );
    return row?.id ?? null;
  }

  /** Slots of copies under way go with it; where the source does not let it drop them, it goes alone. */
  async #dropSubscription(): Promise<void> {
    await this.target.query(`alter subscription ${this.#name} disable`);
    try {
      await this.target.query(`drop subscription ${this.#name}`);
    } catch {
      await this.target.query(`alter subscription ${this.#name} set (slot_name = none)`);
      await this.target.query(`drop subscription ${this.#name}`);
    }
  }

  async #dropSlot(): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        await this.source.query(
          'select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = $1',
          [this.#name],
        );
        return;
      } catch (error) {
        if (codeOf(error) !== objectInUse || attempt === slotFreeAttempts) throw error;
        await this.source.query(
          'select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = $1 and active_pid is not null',
          [this.#name],
        );
        await this.source.query(`select pg_sleep($1::float8 / 1000)`, [slotFreePauseMs]);
      }
    }
  }

  async #dropRole(): Promise<void> {
    const [role] = await this.source.query('select from pg_roles where rolname = $1', [this.#name]);
    if (role === undefined) return;
    await this.source.query(`drop owned by ${this.#name}`);
    await this.source.query(`drop role ${this.#name}`);
  }
}
