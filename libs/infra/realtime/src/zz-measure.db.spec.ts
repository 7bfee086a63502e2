import { newId } from '#infra/kernel';
import { onNudge } from '#infra/queues';
import { RealtimeRig, found } from '../test/realtime-rig.js';
const pct = (a: number[], p: number) => a[Math.min(a.length - 1, Math.floor(a.length * p))]!.toFixed(1);
it('measures', async () => {
  const rig = await RealtimeRig.open();
  const feed = rig.newFeed();
  const tenants = await Promise.all(Array.from({ length: 20 }, () => rig.databases.newTenant()));
  const committed = new Map<string, number>();
  const told: number[] = [];
  for (const ctx of tenants) await feed.follow(ctx, (f) => { const at = committed.get((f.payload as any).thingId); if (at !== undefined) told.push(performance.now() - at); else late.push((f.payload as any).thingId); });
  const late: string[] = [];
  const unsub = await onNudge(rig.databases.redis, { fact: rig.relay.wake });
  rig.relay.start();
  const tell = async (n: number) => {
    const ctx = tenants[n % tenants.length]!;
    const thingId = newId();
    await rig.databases.sharding.write(ctx, async (tx) => {
      await rig.outbox.append(tx, found.entry(thingId, { thingId, n }));
      tx.afterCommit(() => committed.set(thingId, performance.now()));
    });
  };
  for (const [name, everyMs, count] of [['warm', 5, 300], ['idle 20/s', 50, 200], ['200/s', 5, 2000], ['500/s', 2, 3000]] as const) {
    told.length = 0; late.length = 0;
    const running: Promise<void>[] = [];
    const t0 = performance.now();
    for (let n = 0; n < count; n++) { running.push(tell(n)); const due = t0 + (n + 1) * everyMs; const w = due - performance.now(); if (w > 0) await new Promise((r) => setTimeout(r, w)); }
    await Promise.all(running);
    const took = performance.now() - t0;
    while (told.length + late.length < count) await new Promise((r) => setTimeout(r, 20));
    told.sort((a, b) => a - b);
    process.stderr.write(`${name}: ${(count / took * 1000).toFixed(0)}/s  p50 ${pct(told, 0.5)} p95 ${pct(told, 0.95)} p99 ${pct(told, 0.99)} max ${told.at(-1)!.toFixed(1)} late ${late.length}\n`);
  }
  // burst
  told.length = 0;
  const ctx = tenants[0]!;
  const t0 = performance.now();
  for (let k = 0; k < 10; k++) await rig.tell(ctx, 0, 1000);
  const t1 = performance.now();
  while ((await rig.facts.newest(ctx)) > 0 && (await rig.stream(ctx)).at(-1) !== (await rig.facts.newest(ctx))) await new Promise((r) => setTimeout(r, 20));
  process.stderr.write(`10000 facts of one tenant: appended ${(t1 - t0).toFixed(0)} ms, all in Redis after ${(performance.now() - t0).toFixed(0)} ms\n`);
  unsub(); await rig.relay.stop(); await rig.close();
}, 120_000);
