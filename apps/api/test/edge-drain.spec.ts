import { Agent, get as httpGet, type IncomingMessage } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { Controller, Get } from '@nestjs/common';
import { type Drain, drain } from '../src/edge/drain.js';
import { Access } from '../src/edge/index.js';
import { type Edge, startEdge } from './edge-fixture.js';

const rule = { permission: 'public', audit: 'none', limit: 'unlimited', answers: null, summary: 'A visit' } as const;
const visitMs = 300;

@Controller('visits')
class VisitsController {
  static ended = 0;

  @Get('quick')
  @Access(rule)
  quick() {
    return { done: true };
  }

  @Get('long')
  @Access(rule)
  async long() {
    await sleep(visitMs);
    VisitsController.ended += 1;
    return { done: true };
  }

  @Get('endless')
  @Access(rule)
  async endless() {
    await sleep(5_000);
    return { done: true };
  }
}

interface Answer {
  readonly status: number;
  readonly connection: string | undefined;
}

describe('draining', () => {
  let edge: Edge;
  let base: string;
  const agent = new Agent({ keepAlive: true });
  beforeEach(async () => {
    edge = await startEdge({ controllers: [VisitsController] });
    await edge.app.listen(0, '127.0.0.1');
    base = await edge.app.getUrl();
  });
  afterEach(() => edge.app.close());
  afterAll(() => agent.destroy());

  const visit = (path: string): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const request = httpGet(`${base}/visits/${path}`, { agent }, (answer: IncomingMessage) => {
        answer.resume().once('end', () => {
          resolve({ status: answer.statusCode ?? 0, connection: answer.headers.connection });
        });
      });
      request.once('error', reject);
    });

  const plan = (limits: Partial<Drain> = {}): Drain => ({
    log: edge.log,
    announce: () => {
      edge.drain.isDraining = true;
    },
    waitMs: 200,
    othersServe: false,
    ...limits,
  });

  it('says so first, still serves while load balancers notice, and asks clients to come back elsewhere', async () => {
    expect(await visit('quick')).toEqual({ status: 200, connection: 'keep-alive' });
    const drained = drain(edge.app, plan());
    expect(edge.drain.isDraining).toBe(true);
    expect(await visit('quick')).toEqual({ status: 200, connection: 'close' });
    expect(await drained).toBe(true);
    await expect(visit('quick')).rejects.toThrow('ECONNREFUSED');
  });

  it('serves what is inside to its end before pools end', async () => {
    VisitsController.ended = 0;
    // Long enough that a busy machine lets the visit in before the door closes.
    const drained = drain(edge.app, plan({ waitMs: 1_000 }));
    const inside = visit('long');
    await expect(inside).resolves.toMatchObject({ status: 200 });
    expect(VisitsController.ended).toBe(1);
    expect(await drained).toBe(true);
    expect(edge.lines.of('drain.done')).toMatchObject([{ 'event.outcome': 'success' }]);
  });

  it('closes connections that only wait, so that nobody holds the door', async () => {
    await visit('quick');
    const startedAtMs = performance.now();
    expect(await drain(edge.app, plan({ waitMs: 0 }))).toBe(true);
    expect(performance.now() - startedAtMs).toBeLessThan(1_000);
  });

  it('cuts what does not end in time, and says so', async () => {
    const inside = visit('endless');
    await sleep(50);
    const cut = expect(inside).rejects.toThrow();
    expect(await drain(edge.app, plan({ waitMs: 0, inFlightMaxMs: 200 }))).toBe(false);
    await cut;
    expect(edge.lines.of('drain.cut')).toHaveLength(1);
  });
});
