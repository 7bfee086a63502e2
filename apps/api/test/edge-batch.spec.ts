import { Controller, Get, Header } from '@nestjs/common';
import { type Context, newId } from '#infra/kernel';
import { BatchApiModule } from '../src/batch/batch-api.module.js';
import { Access, Ctx } from '../src/edge/index.js';
import { baseTime, bearer, type Edge, person, startEdge } from './edge-fixture.js';
import { ThingsController } from './edge-things.js';

@Controller('api/v1/pictures')
class PicturesController {
  @Get()
  @Header('content-type', 'image/svg+xml')
  @Access({ permission: 'self', audit: 'none', limit: 'read', answers: null, summary: 'A picture' })
  picture() {
    return Buffer.from('<svg/>');
  }
}

/** Answers when the test says so, or never. */
@Controller('api/v1/rooms')
class RoomsController {
  static readonly inside: (() => void)[] = [];

  @Get()
  @Access({ permission: 'self', audit: 'none', limit: 'read', answers: null, summary: 'A visit' })
  async visit(@Ctx() { deadline }: Context) {
    await new Promise<void>((end) => RoomsController.inside.push(end));
    return { leftMs: deadline - baseTime };
  }
}

interface Sent {
  readonly method: string;
  readonly path: string;
  readonly headers?: Record<string, string>;
  readonly body?: unknown;
}

describe('a batch', () => {
  const ann = person(['things.read', 'things.manage']);
  const reader = person(['things.read']);
  const consumed: string[] = [];
  let edge: Edge;
  beforeAll(async () => {
    edge = await startEdge({
      controllers: [ThingsController, PicturesController, RoomsController],
      modules: [BatchApiModule],
      people: [ann, reader],
      environment: { TRUSTED_PROXIES: '127.0.0.1/32' },
      limits: {
        consume: async (classes) => {
          consumed.push(...classes);
          return { allowed: true, retryAfterMs: 0, policies: [] };
        },
      },
    });
  });
  afterAll(() => edge.app.close());
  beforeEach(() => {
    consumed.length = 0;
  });

  const send = async (requests: readonly Sent[], headers: Record<string, string> = bearer(ann)) =>
    await edge.app.inject({
      method: 'POST',
      url: '/api/v1/batch',
      headers: { ...headers, 'x-request-id': 'whole', 'x-forwarded-for': '203.0.113.7' },
      payload: { requests },
    });
  const statuses = (answer: { json(): { responses: { status: number }[] } }) =>
    answer.json().responses.map(({ status }) => status);
  const things = '/api/v1/things';
  const small: Sent = { method: 'GET', path: `${things}/small` };

  it('answers each part as the call by itself: status, body, headers, and who asked', async () => {
    const id = newId();
    const answer = await send([
      small,
      { method: 'GET', path: `${things}/mine` },
      { method: 'GET', path: `${things}/${id}` },
      { method: 'PATCH', path: `${things}/${id}`, headers: { 'if-match': '"v3"' }, body: { name: 'new' } },
      { method: 'PATCH', path: `${things}/${id}`, headers: { 'if-match': '"v1"' }, body: { name: 'new' } },
      { method: 'POST', path: things, headers: { 'idempotency-key': 'k' }, body: { name: 'replayed' } },
      { method: 'POST', path: things, body: { name: 'a' } },
      { method: 'GET', path: `${things}?limit=2&colour=red` },
      { method: 'GET', path: '/api/v1/nothing' },
    ]);
    expect(answer.statusCode).toBe(200);
    expect(statuses(answer)).toEqual([200, 200, 200, 200, 412, 201, 400, 200, 404]);
    const { responses } = answer.json();
    expect(responses[0]).toEqual({ status: 200, headers: {}, body: { text: 'clinic' } });
    expect(responses[1].body).toMatchObject({ ip: '203.0.113.7', tenantId: ann.tenant.id, requestId: 'whole.2' });
    expect(responses[2].headers).toEqual({ etag: '"v3"' });
    expect(responses[4].body).toMatchObject({ code: 'thing.changed', requestId: 'whole.5' });
    expect(responses[5].headers).toEqual({ etag: '"v1"', 'idempotency-replayed': 'true' });
    expect(responses[7].body.data).toHaveLength(2);
  });

  it('counts every part against its own limits, and refuses each for itself', async () => {
    const answer = await send([small, { method: 'POST', path: `${things}/taken` }, small], bearer(reader));
    expect(statuses(answer)).toEqual([200, 403, 200]);
    expect(consumed).toEqual(['read', 'read', 'write', 'read']);
    expect(edge.denied.at(-1)).toMatchObject({ action: 'thing.manage', ctx: { requestId: 'whole.2' } });
  });

  it('takes 20 parts and not 21, and nothing that is a batch, a login or outside of the API', async () => {
    expect(statuses(await send(Array.from({ length: 20 }, () => small)))).toEqual(
      Array.from({ length: 20 }, () => 200),
    );
    expect((await send(Array.from({ length: 21 }, () => small))).statusCode).toBe(422);
    expect((await send([])).statusCode).toBe(422);
    for (const path of [
      '/api/v1/batch',
      '/api/v1/%62atch',
      '/api/v1/batch?x=1',
      '/api/v1/auth/login',
      '/api/v1//batch',
      '/api/v1/../v1/batch',
      '/api/v1/things/../batch',
      '/api/v1/things/%2e%2e/batch',
      '/api/v1/things/..',
      '/metrics',
      'http://elsewhere.example/api/v1/things',
      `${things}/${'x'.repeat(2_100)}`,
    ])
      expect({ path, status: (await send([{ method: 'GET', path }])).statusCode }).toEqual({ path, status: 422 });
    expect((await send([{ method: 'OPTIONS', path: `${things}/small` }])).statusCode).toBe(422);
    expect((await send([{ ...small, headers: { authorization: 'Bearer other' } }])).statusCode).toBe(422);
  });

  it('needs a login, and what is not JSON goes by itself', async () => {
    expect((await send([small], {})).statusCode).toBe(401);
    const { responses } = (await send([{ method: 'GET', path: '/api/v1/pictures' }])).json();
    expect(responses[0]).toMatchObject({ status: 422, body: { code: 'batch.not_json' } });
  });

  describe('and its time', () => {
    const visit: Sent = { method: 'GET', path: '/api/v1/rooms' };
    const end = () => RoomsController.inside.shift()?.();
    beforeEach(() => jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask', 'Date'] }));
    afterEach(() => jest.useRealTimers());
    const inside = async () => {
      while (RoomsController.inside.length === 0) await new Promise((resolve) => setImmediate(resolve));
    };

    it('is 30 s for the whole: each part has what those before it left, and none begins in the second half', async () => {
      const answer = send([visit, visit, visit, visit, small]);
      for (const lastsMs of [0, 10_000, 4_000, 2_000]) {
        await inside();
        jest.advanceTimersByTime(lastsMs);
        end();
      }
      const { responses } = (await answer).json();
      const left = responses.slice(0, 4).map(({ body }: { body: { leftMs: number } }) => Math.round(body.leftMs / 100));
      expect(left).toEqual([300, 300, 200, 160]);
      expect(responses[4]).toMatchObject({ status: 503, body: { code: 'batch.out_of_time' } });
    });

    it('ends with the whole, though a part says nothing: nobody knows what became of it', async () => {
      const answer = send([small, visit, small]);
      await inside();
      jest.advanceTimersByTime(31_000);
      expect(statuses(await answer)).toEqual([200, 503, 503]);
      const codes = (await answer).json().responses.map(({ body }: { body: { code?: string } }) => body.code);
      expect(codes).toEqual([undefined, 'batch.broken_off', 'batch.out_of_time']);
      end();
    });

    it('is never more for whoever asks for more', async () => {
      for (const [told, expected] of [
        ['5000', 5_000],
        ['90000', 30_000],
        ['-1', 30_000],
        ['soon', 30_000],
      ] as const) {
        const headers = { ...bearer(ann), 'x-time-left': told };
        const answer = await edge.app.inject({ method: 'GET', url: `${things}/mine`, headers });
        expect(answer.json().deadlineMs - baseTime).toBe(expected);
      }
    });
  });

  it('keeps nobody out while its parts wait, so that batches cannot lock each other out', async () => {
    const narrow = await startEdge({
      controllers: [ThingsController],
      modules: [BatchApiModule],
      people: [ann],
      environment: { ADMISSION_RUNNING_MAX: '1' },
    });
    const call = async () =>
      await narrow.app.inject({
        method: 'POST',
        url: '/api/v1/batch',
        headers: bearer(ann),
        payload: { requests: [small, small] },
      });
    const answers = await Promise.all(Array.from({ length: 10 }, call));
    expect(answers.map(statuses)).toEqual(Array.from({ length: 10 }, () => [200, 200]));
    await narrow.app.close();
  });
});
