import { readFileSync } from 'node:fs';
import { monotonicMs } from '#infra/kernel';
import { openTestDatabases } from '#infra/testing';
import { again, attemptAt, chunksOf, openServices } from '../test/registry.js';

it('x', async () => {
  const db = await openTestDatabases();
  const s = openServices(db);
  const ctx = await db.newTenant({ shardId: 'shard-1' });
  const mapping = {
    amount: 'amount',
    date: 'date',
    memo: 'memo',
    dateFormat: 'YYYY-MM-DD',
    decimal: '.',
    currency: 'USD',
    sign: 'as_is',
  } as const;
  const load = async (code: string, file: string) => {
    const src = await s.sources.create(again(ctx), { code, name: code, kind: 'bank', mapping });
    const text = readFileSync(`/work/shared/data/reconciliation/${file}`, 'utf8')
      .split('\n')
      .map((l) => l.slice(l.indexOf(',') + 1))
      .join('\n');
    const t0 = monotonicMs();
    const up = await s.uploads.receive(again(ctx), src.id, chunksOf(text, 65536));
    const t1 = monotonicMs();
    let maxLag = 0;
    let last = monotonicMs();
    const timer = setInterval(() => {
      maxLag = Math.max(maxLag, monotonicMs() - last);
      last = monotonicMs();
    }, 1);
    await s.ingest.run({ ...ctx, deadline: db.clock.now() + 900_000 }, up.statement.id, attemptAt());
    clearInterval(timer);
    const t2 = monotonicMs();
    const st = await s.statements.read(again(ctx), up.statement.id);
    console.log(code, t1 - t0, t2 - t1, maxLag, JSON.stringify(st));
    return src;
  };
  const a = await load('a', 'bank_origin.csv');
  const b = await load('b', 'bank_destination.csv');
  const a2 = await load('a2', 'bank_origin.csv');
  for (const [l, r] of [
    [a, b],
    [a2, b],
  ] as const) {
    const run = await s.runs.start(again(ctx), {
      leftSourceId: l.id,
      rightSourceId: r.id,
      ladder: [[{ field: 'amount' }, { field: 'memo', prefix: 6 }]],
      from: null,
      to: null,
    });
    const t3 = monotonicMs();
    let maxLag = 0;
    let last = monotonicMs();
    const timer = setInterval(() => {
      maxLag = Math.max(maxLag, monotonicMs() - last);
      last = monotonicMs();
    }, 1);
    await s.reconciler.run({ ...ctx, deadline: db.clock.now() + 900_000 }, run.run.id, attemptAt());
    clearInterval(timer);
    console.log(monotonicMs() - t3, maxLag, JSON.stringify(await s.runs.read(again(ctx), run.run.id)));
    const t4 = monotonicMs();
    const m = await s.runs.matches(again(ctx), run.run.id, { limit: 2, after: null });
    const u = await s.runs.unmatched(again(ctx), run.run.id, 'right', { limit: 1, after: null });
    console.log(monotonicMs() - t4, JSON.stringify(m), JSON.stringify(u));
  }
  await db.close();
}, 120_000);
