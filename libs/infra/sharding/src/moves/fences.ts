import { newId } from '#infra/kernel';
import type { Move } from './move.js';
import { fail } from './moves.errors.js';
import type { Session } from './session.js';

export interface Fence {
  readonly epoch: number;
  readonly state: 'open' | 'leaving' | 'fenced' | 'moved';
}

/** Who is served on a shard, as the mover changes it. */
export async function fenceOf(session: Session, tenantId: string): Promise<Fence | null> {
  const [fence] = await session.query<Fence>('select epoch, state from tenant_fence where tenant_id = $1', [tenantId]);
  return fence ?? null;
}

/** The target takes rows and serves nobody. Throws move.refused where it serves the tenant. */
export async function fenceTarget(target: Session, { tenantId, epoch }: Move): Promise<void> {
  const fenced = await target.execute(
    `insert into tenant_fence (tenant_id, epoch, state) values ($1, $2, 'fenced')
     on conflict (tenant_id) do update set epoch = excluded.epoch, state = 'fenced'
       where tenant_fence.state not in ('open', 'leaving')`,
    [tenantId, epoch],
  );
  if (fenced !== 1) throw fail('move.refused', { internal: 'the target already serves this tenant' });
}

/** Replicas of the source stop to serve the tenant where they have replayed this; the primary goes on. The position after it. */
export async function beginLeaving(source: Session, { tenantId, epoch }: Move): Promise<string> {
  await source.execute(
    `update tenant_fence set state = 'leaving' where tenant_id = $1 and epoch = $2 and state = 'open'`,
    [tenantId, epoch - 1],
  );
  const { position } = await source.one<{ position: string }>('select pg_current_wal_flush_lsn()::text as position');
  return position;
}

export async function stopLeaving(source: Session, { tenantId }: Move): Promise<void> {
  await source.execute(`update tenant_fence set state = 'open' where tenant_id = $1 and state = 'leaving'`, [tenantId]);
}

/** A row of the tenant's that follows everything before it to the target; its id. */
export async function mark(source: Session, { tenantId }: Move): Promise<string> {
  const id = newId();
  await source.execute('insert into move_marker (tenant_id, id) values ($1, $2)', [tenantId, id]);
  return id;
}

export async function hasArrived(target: Session, { tenantId }: Move, id: string): Promise<boolean> {
  return (await target.query('select from move_marker where tenant_id = $1 and id = $2', [tenantId, id])).length > 0;
}

/**
 * The point of no return, one statement and one commit: the source serves the tenant no more, and the marker that opens
 * the target is on its way there, whatever becomes of the mover. Only at a standstill, when all before it has arrived.
 */
export async function handOver(source: Session, { tenantId, epoch }: Move): Promise<void> {
  const handed = await source.execute(
    `with closed as (
       update tenant_fence set state = 'moved'
        where tenant_id = $1 and epoch = $2 and state in ('open', 'leaving') returning tenant_id)
     insert into move_marker (tenant_id, id, epoch) select tenant_id, $3, $2 + 1 from closed`,
    [tenantId, epoch - 1, newId()],
  );
  if (handed !== 1) throw fail('move.under_way', { internal: 'the source does not serve the tenant at that epoch' });
}

export async function isServed(target: Session, { tenantId, epoch }: Move): Promise<boolean> {
  const fence = await fenceOf(target, tenantId);
  return fence?.epoch === epoch && fence.state === 'open';
}

/** Where the marker does not come: all rows were there before the source was closed, so the target may be opened by hand. */
export async function openTarget(target: Session, { tenantId, epoch }: Move): Promise<void> {
  await target.execute(
    `update tenant_fence set state = 'open' where tenant_id = $1 and epoch = $2 and state = 'fenced'`,
    [tenantId, epoch],
  );
}

/** Of a tenant that never arrived. */
export async function forgetTarget(target: Session, { tenantId, epoch }: Move): Promise<void> {
  await target.execute(`delete from tenant_fence where tenant_id = $1 and epoch = $2 and state = 'fenced'`, [
    tenantId,
    epoch,
  ]);
}

/** Commits to disk, and with it everything that arrived before. */
export async function removeMarkers(target: Session, { tenantId }: Move): Promise<void> {
  await target.execute('delete from move_marker where tenant_id = $1', [tenantId]);
}
