import { mkdtempSync, rmSync } from 'node:fs';
import { Agent } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ask } from '../test/edge-client.js';
import { EdgeProcess } from '../test/edge-process.js';
import { HaproxyServer } from './haproxy-server.js';
import { stackHome } from './places.js';

const lanes = 16;
const pauseMs = 40;
const loadMs = 30_000;
const drainWaitMs = 5_000;
type Phase = 'whole' | 'killed' | 'reloaded' | 'drained';

interface Outcome {
  readonly method: string;
  readonly phase: Phase;
  /** `200`, or why there was no answer. */
  readonly said: string;
}

let folder: string;
let edge: HaproxyServer;
let instances: readonly EdgeProcess[];
const outcomes: Outcome[] = [];
const workersSeen: number[] = [];
let drainStatus: number | null = null;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'edge-'));
  instances = [1, 2, 3].map(() => new EdgeProcess(drainWaitMs));
  await Promise.all(instances.map((instance) => instance.start()));
  edge = await HaproxyServer.start({ home: stackHome(), folder, apis: instances, gateways: [] });
  await underLoad();
}, 90_000);
afterAll(async () => {
  await edge?.stop();
  await Promise.all(instances.map((instance) => instance.kill()));
  rmSync(folder, { recursive: true });
});

/** Thirty seconds of requests over kept connections, while things happen to the instances and to HAProxy itself. */
async function underLoad(): Promise<void> {
  const startedAt = performance.now();
  let phase: Phase = 'whole';
  const running = Array.from({ length: lanes }, async (_, lane) => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    for (let n = lane; performance.now() - startedAt < loadMs; n += 1) {
      // What changes something may have happened in a process that was killed: it is not asked then.
      const method = n % 4 === 0 && phase !== 'killed' ? 'POST' : 'GET';
      const during = phase;
      const said = await ask(`${edge.url}/api/v1/things`, { method, agent }).then(
        ({ status }) => String(status),
        (error: Error) => error.message,
      );
      outcomes.push({ method, phase: during, said });
      await sleep(pauseMs);
    }
    agent.destroy();
  });
  const [, second, third] = instances as [EdgeProcess, EdgeProcess, EdgeProcess];
  await sleep(2_000);
  phase = 'killed';
  await sleep(100);
  await third.kill();
  await sleep(6_000);
  await third.start();
  phase = 'reloaded';
  for (let n = 0; n < 3; n += 1) {
    workersSeen.push((await edge.workers()).current ?? 0);
    await edge.reload();
    await sleep(1_500);
  }
  phase = 'drained';
  drainStatus = await second.drain();
  await sleep(500);
  await second.start();
  phase = 'whole';
  await Promise.all(running);
}

const lost = (phase: Phase): readonly Outcome[] =>
  outcomes.filter((outcome) => outcome.phase === phase && outcome.said !== '200');
const served = (phase: Phase, method: string): number =>
  outcomes.filter((outcome) => outcome.phase === phase && outcome.method === method).length;

describe('Under thirty seconds of load', () => {
  it('[A-005] [B-087] one of three instances is killed, and no request that only reads is lost', () => {
    expect(lost('killed')).toEqual([]);
    expect(served('killed', 'GET')).toBeGreaterThan(500);
    expect(outcomes.filter(({ method, said }) => method === 'GET' && said !== '200')).toEqual([]);
  });

  it('[A-056] HAProxy is reloaded three times, and no request is lost', () => {
    expect(new Set(workersSeen).size).toBe(3);
    expect(lost('reloaded')).toEqual([]);
    expect(served('reloaded', 'GET')).toBeGreaterThan(200);
    expect(served('reloaded', 'POST')).toBeGreaterThan(50);
  });

  it('an instance that drains ends by itself, and no request is lost', () => {
    expect(drainStatus).toBe(0);
    expect(lost('drained')).toEqual([]);
    expect(served('drained', 'GET')).toBeGreaterThan(200);
    expect(served('drained', 'POST')).toBeGreaterThan(50);
    expect(lost('whole')).toEqual([]);
  });
});
