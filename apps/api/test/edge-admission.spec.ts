import { Agent, request as httpRequest } from 'node:http';
import { Body, Controller, Get, Post } from '@nestjs/common';
import { z } from 'zod';
import type { Context } from '#infra/kernel';
import type { Log } from '#infra/telemetry';
import { Access, Ctx } from '../src/edge/index.js';
import { bearer, type Edge, person, startEdge } from './edge-fixture.js';

const rule = { permission: 'public', audit: 'none', limit: 'read', answers: null } as const;

const errand = z.strictObject({ errand: z.string().optional() });

/** Visits end when the test says so. */
class Rooms {
  static running = 0;
  static most = 0;
  static readonly inside: (() => void)[] = [];
  static readonly contexts: Context[] = [];
  static log: Log | undefined;

  static async visit(ctx: Context) {
    Rooms.contexts.push(ctx);
    Rooms.log?.info('room.entered');
    Rooms.running += 1;
    Rooms.most = Math.max(Rooms.most, Rooms.running);
    await new Promise<void>((end) => Rooms.inside.push(end));
    Rooms.running -= 1;
    return { visited: true };
  }

  static endOne(): void {
    Rooms.inside.shift()?.();
  }

  static reset(): void {
    while (Rooms.inside.length > 0) Rooms.endOne();
    Rooms.contexts.length = 0;
    Rooms.most = 0;
  }
}

@Controller('rooms')
class RoomsController {
  @Get('usual')
  @Access({ ...rule, summary: 'A visit' })
  usual(@Ctx() ctx: Context) {
    return Rooms.visit(ctx);
  }

  @Post('desk')
  @Access({ ...rule, importance: 'critical', summary: 'Somebody stands at the desk' })
  desk(@Ctx() ctx: Context, @Body({ schema: errand }) _errand: z.infer<typeof errand>) {
    return Rooms.visit(ctx);
  }

  @Get('report')
  @Access({ ...rule, importance: 'background', permission: 'things.read', summary: 'Nobody waits for it' })
  report(@Ctx() ctx: Context) {
    return Rooms.visit(ctx);
  }

  @Get('probe')
  @Access({ ...rule, limit: 'unlimited', summary: 'Alive?' })
  probe() {
    return { alive: true };
  }
}

describe('admission', () => {
  const ann = person(['things.read']);
  let edge: Edge;
  const start = async (environment: Record<string, string>) => {
    edge = await startEdge({ controllers: [RoomsController], people: [ann], environment });
    Rooms.log = edge.log;
  };
  afterEach(async () => {
    const done = setInterval(() => Rooms.reset(), 5);
    await edge.app.close();
    clearInterval(done);
    Rooms.reset();
  });

  /** Leaves at once, awaited or not. */
  const call = async (method: 'GET' | 'POST', url: string, headers: Record<string, string> = {}) =>
    await edge.app.inject({
      method,
      url,
      headers,
      remoteAddress: '203.0.113.1',
      ...(method === 'POST' ? { payload: {} } : {}),
    });
  const until = async (holds: () => boolean | Promise<boolean>) => {
    while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 2));
  };
  const metric = async (series: string) => {
    const { body } = await edge.metrics.expose();
    const line = body.split('\n').find((each) => each.startsWith(`${series} `));
    return Number(line?.split(' ').at(-1));
  };
  const queued = (importance: string) => metric(`admission_queue_length{door="requests",importance="${importance}"}`);

  it('[B-032] [B-033] [B-053] by default 100 run, 2,000 wait, the 2,101st is refused at once, and the gauge counts them', async () => {
    await start({});
    const answers = Array.from({ length: 2_100 }, () => call('GET', '/rooms/usual'));
    await until(() => Rooms.running === 100);
    expect(await queued('normal')).toBe(2_000);
    expect(await metric('admission_running{door="requests"}')).toBe(100);
    const refused = await call('GET', '/rooms/usual');
    expect(refused.statusCode).toBe(503);
    expect(refused.json()).toMatchObject({ code: 'service.overloaded', status: 503 });
    expect(Number(refused.headers['retry-after'])).toBeGreaterThanOrEqual(1);
    expect(Number(refused.headers['retry-after'])).toBeLessThanOrEqual(5);
    const busy = setInterval(() => {
      while (Rooms.inside.length > 0) Rooms.endOne();
    }, 1);
    const statuses = new Set((await Promise.all(answers)).map(({ statusCode }) => statusCode));
    clearInterval(busy);
    expect(statuses).toEqual(new Set([200]));
    expect(Rooms.most).toBe(100);
    expect(await queued('normal')).toBe(0);
    expect(await metric('admission_running{door="requests"}')).toBe(0);
  });

  it('who is turned away leaves the one line of every request in the log, and no other', async () => {
    await start({ ADMISSION_RUNNING_MAX: '1', ADMISSION_QUEUE_MAX: '0' });
    const inside = call('GET', '/rooms/usual');
    await until(() => Rooms.running === 1);
    const { statusCode, headers } = await call('GET', '/rooms/usual');
    expect(statusCode).toBe(503);
    const lines = edge.lines.entries.filter((line) => line['http.request.id'] === headers['x-request-id']);
    expect(lines.map((line) => [line.message, line['error.code']])).toEqual([['request.done', 'service.overloaded']]);
    Rooms.endOne();
    expect((await inside).statusCode).toBe(200);
  });

  it('probes are never turned away', async () => {
    await start({ ADMISSION_RUNNING_MAX: '1', ADMISSION_QUEUE_MAX: '0' });
    const inside = call('GET', '/rooms/usual');
    await until(() => Rooms.running === 1);
    expect((await call('GET', '/rooms/usual')).statusCode).toBe(503);
    expect((await call('GET', '/rooms/probe')).statusCode).toBe(200);
    Rooms.endOne();
    expect((await inside).statusCode).toBe(200);
  });

  it('who stands at the desk takes the place of a report, before anybody is asked who they are', async () => {
    await start({ ADMISSION_RUNNING_MAX: '1', ADMISSION_QUEUE_MAX: '2' });
    const inside = call('GET', '/rooms/usual');
    await until(() => Rooms.running === 1);
    const reports = [call('GET', '/rooms/report', bearer(ann)), call('GET', '/rooms/report')];
    await until(async () => (await queued('background')) === 2);
    const desk = call('POST', '/rooms/desk');
    const displaced = await reports[1];
    expect(displaced?.statusCode).toBe(503);
    Rooms.endOne();
    await until(() => Rooms.contexts.length === 2);
    expect(Rooms.contexts[1]?.route).toBe('POST /rooms/desk');
    Rooms.endOne();
    await until(() => Rooms.contexts.length === 3);
    Rooms.endOne();
    expect([(await inside).statusCode, (await desk).statusCode, (await reports[0])?.statusCode]).toEqual([
      200, 200, 200,
    ]);
  });

  it('the wait counts against the deadline of the answer, and its log lines are its own', async () => {
    await start({ ADMISSION_RUNNING_MAX: '1' });
    const first = call('GET', '/rooms/usual', { 'x-request-id': 'first' });
    await until(() => Rooms.running === 1);
    const second = call('GET', '/rooms/report', { 'x-request-id': 'second', authorization: 'Bearer wrong' });
    const third = call('GET', '/rooms/usual', { 'x-request-id': 'third' });
    await until(async () => (await queued('normal')) === 1);
    await new Promise((resolve) => setTimeout(resolve, 60));
    Rooms.endOne();
    await first;
    await until(() => Rooms.contexts.length === 2);
    Rooms.endOne();
    await third;
    expect((await second).statusCode).toBe(401);
    const [one, two] = Rooms.contexts;
    expect(one && two && one.deadline - two.deadline).toBeGreaterThanOrEqual(50);
    expect(edge.lines.of('room.entered').map((line) => line['http.request.id'])).toEqual(['first', 'third']);
  });

  it('a wait that lasts too long ends with 503', async () => {
    await start({ ADMISSION_RUNNING_MAX: '1', ADMISSION_QUEUE_TIMEOUT: '1' });
    const inside = call('GET', '/rooms/usual');
    await until(() => Rooms.running === 1);
    expect((await call('GET', '/rooms/usual')).json()).toMatchObject({ code: 'service.overloaded' });
    Rooms.endOne();
    expect((await inside).statusCode).toBe(200);
  });

  it.each([
    ['who asked', 'GET', '/rooms/usual', ''],
    ['whose body was read to its end', 'POST', '/rooms/desk', '{"errand":"none"}'],
  ])(
    'a slot stays taken while the handler of a caller works who went away, and is free when it has ended: one %s',
    async (_, method, path, body) => {
      await start({ ADMISSION_RUNNING_MAX: '1', ADMISSION_QUEUE_MAX: '1' });
      await edge.app.listen(0, '127.0.0.1');
      const agent = new Agent();
      const url = await edge.app.getUrl();
      const headers = body === '' ? {} : { 'content-type': 'application/json', 'content-length': String(body.length) };
      const ask = () => {
        const request = httpRequest(`${url}${path}`, { agent, method, headers }).on('error', () => undefined);
        request.end(body);
        return request;
      };
      const waiting = async () => (await queued('normal')) + (await queued('critical'));
      const leaving = ask();
      await until(() => Rooms.running === 1);
      const waitingToo = ask();
      await until(async () => (await waiting()) === 1);
      leaving.destroy();
      waitingToo.destroy();
      await until(async () => (await waiting()) === 0);
      expect(await metric('admission_running{door="requests"}')).toBe(1);
      expect(Rooms.contexts).toHaveLength(1);
      Rooms.endOne();
      await until(async () => (await metric('admission_running{door="requests"}')) === 0);
      expect(await metric('http_requests_in_flight{app="api"}')).toBe(0);
      agent.destroy();
      const next = call('GET', '/rooms/usual');
      await until(() => Rooms.running === 1);
      Rooms.endOne();
      expect((await next).statusCode).toBe(200);
    },
  );
});
