import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { CompiledProduct, RedisCluster } from '#infra/testing';

const limit = 500;
/** 2,000 in all. */
const callsOf = [667, 667, 666];

let cluster: RedisCluster;
let product: CompiledProduct;
const callers: ChildProcess[] = [];

beforeAll(async () => {
  product = new CompiledProduct('libs/infra');
  cluster = await RedisCluster.startTemporary();
}, 60_000);
afterAll(async () => {
  for (const caller of callers) caller.kill('SIGKILL');
  await cluster?.stop();
  product.remove();
});

async function message(caller: ChildProcess): Promise<unknown> {
  const [said] = await Promise.race([
    once(caller, 'message'),
    once(caller, 'exit').then(([code]) => Promise.reject(new Error(`a caller ended early, with ${code}`))),
  ]);
  return said;
}

describe('a limit that three processes share on a Redis Cluster', () => {
  it('[D-044] lets exactly 500 of 2,000 calls through that all three make at once', async () => {
    const program = product.program('libs/infra/throttling/test/caller.ts');
    for (const calls of callsOf)
      callers.push(
        fork(program, ['limits:{t:one}:test', String(limit), String(calls)], {
          env: cluster.env,
        }),
      );
    await Promise.all(callers.map(message));
    const answers = callers.map(message);
    for (const caller of callers) caller.send('go');
    const passed = (await Promise.all(answers)).map(Number);
    expect(passed.reduce((sum, each) => sum + each)).toBe(limit);
  });
});
