import { atBench, shardOf } from './bench.js';
import { fenceOf, forgetTarget, stopLeaving } from './fences.js';
import type { Move, MoverOptions } from './move.js';
import { MoveRecords } from './move-records.js';
import { fail } from './moves.errors.js';
import { Replication } from './replication.js';
import { Session } from './session.js';
import { removeRows, tablesOf } from './tenant-tables.js';

/** Back to before the move: the source serves as ever, and nothing of the tenant is left on the target. */
export async function abortMove(options: MoverOptions, named: string): Promise<Move> {
  return atBench(options, named, async ({ records, tenant, open }) => {
    const move = await records.underWay(tenant.id);
    if (!move) throw fail('move.refused', { internal: 'no move of this tenant is under way' });
    const from = shardOf(options, move.source);
    const source = await open(from);
    const target = await open(shardOf(options, move.target));
    const fence = await fenceOf(source, tenant.id);
    if (fence?.state === 'moved' || move.step === 'finishing') throw fail('move.too_late');
    await stopLeaving(source, move);
    await new Replication(move, source, target, from.url).stop();
    await removeRows(target, await tablesOf(target), tenant.id);
    await forgetTarget(target, move);
    await records.abort(move);
    return move;
  });
}

export interface Cleaned {
  readonly tenantId: string;
  readonly shardId: string;
  readonly rows: number;
}

/** Removes what moved tenants left on their former shards, once it has been kept long enough. */
export async function cleanAfterMoves(options: MoverOptions): Promise<readonly Cleaned[]> {
  const directory = await Session.open(options.directory, options);
  const cleaned: Cleaned[] = [];
  try {
    for (const move of await new MoveRecords(directory, options).leftBehind()) {
      const rows = await cleanAfter(options, move);
      if (rows !== null) cleaned.push({ tenantId: move.tenantId, shardId: move.source, rows });
    }
  } finally {
    await directory.close();
  }
  return cleaned;
}

/** Null where the tenant is on its way back. */
async function cleanAfter(options: MoverOptions, move: Move): Promise<number | null> {
  return atBench(options, move.tenantId, async ({ records, open }) => {
    const shard = await open(shardOf(options, move.source));
    const fence = await fenceOf(shard, move.tenantId);
    if (fence !== null && fence.state !== 'moved') return null;
    const rows = await removeRows(shard, await tablesOf(shard), move.tenantId);
    await shard.execute(`delete from tenant_fence where tenant_id = $1 and state = 'moved'`, [move.tenantId]);
    await records.noteCleaned(move.tenantId, move.source);
    return rows;
  });
}
