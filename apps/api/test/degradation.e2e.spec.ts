import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CompiledProduct, projectRoot } from '#infra/testing';
import { DegradationWorld } from './degradation-world.js';
import { within } from './operations-world.js';

const page = readFileSync(join(projectRoot(), 'docs/runbook/degradation.md'), 'utf8');
/** What is away, and what the page says of it. */
const documented = new Map(
  page
    .split('\n')
    .filter((line) => /^\| .+ \| \d{3} /.test(line))
    .map((line) => line.slice(2, -2).split(' | '))
    .map(([away = '', ...cells]) => [away, cells] as const),
);
const seen = new Set<string>();

let world: DegradationWorld;
let compiled: CompiledProduct;
beforeAll(async () => {
  compiled = new CompiledProduct('apps', 'libs', 'migrations');
  world = await DegradationWorld.start();
}, 180_000);
afterAll(async () => {
  await world?.end();
  compiled?.remove();
}, 60_000);

/** Asks until a tenant gets what the page says, and shows what it got instead. */
async function expectDocumented(away: string, shard: 'shard-1' | 'shard-2', patienceS = 10): Promise<void> {
  const cells = documented.get(away);
  let got: readonly string[] = [];
  await within(patienceS, async () => {
    got = await world.look(world.parties[shard]);
    return String(got) === String(cells);
  });
  expect([away, ...got]).toEqual([away, ...(cells ?? [])]);
  seen.add(away);
}
const expectAllWell = async () => {
  await expectDocumented('nothing', 'shard-1', 30);
  await expectDocumented('nothing', 'shard-2', 30);
};

describe('What the page says of each thing that is away', () => {
  it('[D-079] is what happens: mail server, directory, a shard, replica, Redis, each taken away and what can be brought back', async () => {
    await expectAllWell();

    const worker = await world.startWorker(compiled);
    try {
      for (let n = 0; n < 10; n += 1) expect((await world.invite(world.parties['shard-1'])).status).toBe(201);
      const report = async () => (await fetch(`${worker.url}/health/ready`)).json() as Promise<Report>;
      expect(await within(20, async () => (await report()).checks.mail?.status === 'down')).toBe(true);
      expect((await report()).status).toBe('degraded');
      await expectDocumented('the mail server', 'shard-1');
      const waiting = await world.letters(world.parties['shard-1']);
      expect(waiting.length).toBeGreaterThanOrEqual(10);
      expect(waiting.filter((outcome) => outcome !== null)).toEqual([]);
    } finally {
      await worker.stop();
    }

    world.cutDirectory();
    await expectDocumented('the directory', 'shard-2');
    world.mendDirectory();
    await expectAllWell();

    const startShard = await world.stop('shard-2');
    await expectDocumented('the tenant’s own shard', 'shard-2');
    await expectDocumented('another tenant’s shard', 'shard-1');
    await startShard();
    await expectAllWell();

    const startReplica = await world.stop('replica');
    expect(await within(10, async () => !(await world.replicaAnswers()))).toBe(true);
    await expectDocumented('a replica', 'shard-1');
    await startReplica();
    expect(await within(20, () => world.replicaAnswers())).toBe(true);
    await expectAllWell();

    await world.stop('redis');
    await expectDocumented('Redis', 'shard-1');
    await expectDocumented('Redis', 'shard-2');
    expect([...seen].sort()).toEqual([...documented.keys()].sort());
  }, 240_000);
});

interface Report {
  readonly status: string;
  readonly checks: Readonly<Record<string, { readonly status: string }>>;
}
