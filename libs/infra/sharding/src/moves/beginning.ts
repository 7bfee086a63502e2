import { type Bench, shardOf } from './bench.js';
import { fenceOf } from './fences.js';
import type { Sides } from './handing-over.js';
import type { Move, MoverOptions } from './move.js';
import { fail } from './moves.errors.js';
import { expectSameMigrations, schemaVersionOf, tenantTables } from './tenant-tables.js';

export async function openSides(options: MoverOptions, { open }: Bench, from: string, to: string): Promise<Sides> {
  if (from === to) throw fail('move.refused', { internal: `it lives on ${to} already` });
  const [source, target] = [shardOf(options, from), shardOf(options, to)];
  return {
    source: await open(source),
    target: await open(target),
    sourceView: await open(source),
    targetView: await open(target),
  };
}

/** Everything that can be refused is refused here, before anything has changed. */
export async function beginMove({ records, tenant }: Bench, { source, target }: Sides, to: string): Promise<Move> {
  const state = await records.shardState(to);
  if (state !== 'active') throw fail('move.refused', { internal: `${to} is ${state ?? 'unknown to the directory'}` });
  if (!(await records.mayLiveOn(tenant, to)))
    throw fail('move.refused', { internal: `${to} is in another region than the tenant's data must lie in` });
  const [here, there] = await Promise.all([schemaVersionOf(source), schemaVersionOf(target)]);
  if (here !== there)
    throw fail('move.refused', { internal: `schemas differ: ${here}, and ${there} on ${to}; run \`praxis migrate\`` });
  await expectSameMigrations(source, target);
  await tenantTables(source, target);
  const { level } = await source.one<{ level: string }>(`select current_setting('wal_level') as level`);
  if (level !== 'logical') throw fail('move.refused', { internal: `wal_level of ${tenant.shardId} is ${level}` });
  const fence = await fenceOf(source, tenant.id);
  if (fence?.state !== 'open' || fence.epoch !== tenant.epoch)
    throw fail('move.refused', { internal: `${tenant.shardId} does not serve it at epoch ${tenant.epoch}` });
  const served = await fenceOf(target, tenant.id);
  if (served?.state === 'open' || served?.state === 'leaving')
    throw fail('move.refused', { internal: `${to} already serves it` });
  return records.begin(tenant, to, here);
}
