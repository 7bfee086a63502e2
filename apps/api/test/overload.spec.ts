import { setTimeout as pause } from 'node:timers/promises';
import { Controller, Get } from '@nestjs/common';
import { Access } from '../src/edge/index.js';
import { type Edge, startEdge } from './edge-fixture.js';

const running = 20;
/** What is served in 50 ms: whoever has to wait longer is refused at once. */
const waiting = 5;
/** On average; from a half of it to one and a half. */
const workMs = 200;
const golden = 0.618;
/** What so many places can do. */
const perSecond = (running * 1_000) / workMs;
const normalMs = 2_000;
const overloadMs = 4_000;
const warmUpMs = 1_000;
const aimed = { p95Factor: 2, refusedWithinMs: 50 } as const;
/** Other work on the machine may stop this process for longer than what is measured. */
const triesMax = 3;

@Controller('work')
class WorkController {
  static count = 0;

  @Get()
  @Access({ permission: 'public', audit: 'none', limit: 'read', answers: null, summary: 'Takes its time' })
  async work() {
    WorkController.count += 1;
    await pause(workMs * (0.5 + ((WorkController.count * golden) % 1)));
  }
}

interface Heard {
  readonly status: number;
  readonly code: string;
  readonly ms: number;
}

let edge: Edge;
beforeAll(async () => {
  const environment = { ADMISSION_RUNNING_MAX: String(running), ADMISSION_QUEUE_MAX: String(waiting) };
  edge = await startEdge({ controllers: [WorkController], environment });
});
afterAll(() => edge.app.close());

async function ask(): Promise<Heard> {
  const startedAt = performance.now();
  const { statusCode: status, body } = await edge.app.inject({ method: 'GET', url: '/work' });
  return { status, ms: performance.now() - startedAt, code: status === 503 ? JSON.parse(body).code : '' };
}

/** As many callers as there are places, each waiting for its answer. */
async function fullHouse(): Promise<readonly Heard[]> {
  const endAt = performance.now() + normalMs;
  const heard: Heard[] = [];
  const caller = async () => {
    while (performance.now() < endAt) heard.push(await ask());
  };
  await Promise.all(Array.from({ length: running }, caller));
  return heard;
}

/** At a rate of its own, whether or not those before are answered. */
async function openLoop(rate: number, lastingMs: number): Promise<readonly Heard[]> {
  const startedAt = performance.now();
  const asked: Promise<Heard>[] = [];
  for (let elapsedMs = 0; elapsedMs < lastingMs; elapsedMs = performance.now() - startedAt) {
    while (asked.length < (elapsedMs / 1_000) * rate) asked.push(ask());
    await pause(1);
  }
  return Promise.all(asked);
}

const p95 = (heard: readonly Heard[]): number =>
  heard.map(({ ms }) => ms).sort((a, b) => a - b)[Math.ceil(heard.length * 0.95) - 1] ?? Number.NaN;

describe('three times as many requests as can be served', () => {
  it('[C-153] leave those that are accepted quick, below twice the usual p95, and the others are told 503 within 50 ms, in one of at most three runs', async () => {
    await openLoop(3 * perSecond, warmUpMs);
    let found = { factor: Number.POSITIVE_INFINITY, refusedMs: Number.POSITIVE_INFINITY };
    for (let tries = 0; tries < triesMax && !isGood(found); tries += 1) {
      const normal = await fullHouse();
      expect(new Set(normal.map(({ status }) => status))).toEqual(new Set([200]));
      const heard = await openLoop(3 * perSecond, overloadMs);
      const accepted = heard.filter(({ status }) => status === 200);
      const refused = heard.filter(({ code }) => code === 'service.overloaded');
      expect(accepted.length + refused.length).toBe(heard.length);
      expect(accepted.length).toBeGreaterThan(0.2 * heard.length);
      expect(refused.length).toBeGreaterThan(0.4 * heard.length);
      found = { factor: p95(accepted) / p95(normal), refusedMs: p95(refused) };
    }
    expect(found.factor).toBeLessThan(aimed.p95Factor);
    expect(found.refusedMs).toBeLessThan(aimed.refusedWithinMs);
  }, 60_000);
});

const isGood = ({ factor, refusedMs }: { readonly factor: number; readonly refusedMs: number }): boolean =>
  factor < aimed.p95Factor && refusedMs < aimed.refusedWithinMs;
