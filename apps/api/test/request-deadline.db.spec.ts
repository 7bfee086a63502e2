import { Controller, Get, Module, Post } from '@nestjs/common';
import { FixedClock, type TenantContext } from '#infra/kernel';
import { Sharding } from '#infra/sharding';
import { openTestDatabases, type TestDatabases, waitUntil } from '#infra/testing';
import { Access, Ctx } from '../src/edge/index.js';
import { baseTime, bearer, type Edge, person, startEdge } from './edge-fixture.js';

const rule = { permission: 'self', audit: 'none', limit: 'read', answers: null } as const;
const longQuery = `select pg_sleep(90), 'much too long'`;

/** Work whose statement lasts longer than anybody waits. */
@Controller('api/v1/works')
class WorksController {
  constructor(private readonly sharding: Sharding) {}

  @Get()
  @Access({ ...rule, summary: 'Reads for 90 seconds' })
  async read(@Ctx() ctx: TenantContext) {
    await this.sharding.read(ctx, (tx) => tx.db.query(longQuery));
    return {};
  }

  @Post()
  @Access({ ...rule, summary: 'Writes for 90 seconds' })
  async write(@Ctx() ctx: TenantContext) {
    await this.sharding.write(ctx, (tx) => tx.db.query(longQuery));
    return {};
  }
}

const patienceMs = 20_000;
/** What is left of 30 s when the statements begin. */
const leftMs = 3_000;
let databases: TestDatabases;
let edge: Edge;
/** The databases' time; the request's own stands still at `baseTime`. */
const clock = new FixedClock(baseTime);

afterAll(async () => {
  await edge?.app.getHttpAdapter().close();
  await databases?.close();
});

const stuck = async (): Promise<number> => {
  const [row] = await databases.asAdmin<{ count: number }>(
    'shard-1',
    `select count(*)::int as count from pg_stat_activity
      where state = 'active' and query like '%much too long%' and pid <> pg_backend_pid() and datname = current_database()`,
  );
  return row?.count ?? 0;
};

describe('a request that lasts longer than 30 s', () => {
  let ann: ReturnType<typeof person>;
  beforeAll(async () => {
    databases = await openTestDatabases({ clock, env: { DB_STATEMENT_TIMEOUT: '120000' } });
    const { tenant } = await databases.newTenant({ shardId: 'shard-1' });
    ann = person([], tenant);
    @Module({ providers: [{ provide: Sharding, useValue: databases.sharding }], controllers: [WorksController] })
    class Works {}
    edge = await startEdge({ controllers: [], modules: [Works], people: [ann] });
  }, 120_000);
  const call = async (method: 'GET' | 'POST') =>
    await edge.app.inject({ method, url: '/api/v1/works', headers: bearer(ann) });

  it('[B-034] gets 504 when it has run for 30 s, and its statement is cancelled on the server', async () => {
    clock.set(baseTime + 30_000 - leftMs);
    for (const method of ['GET', 'POST'] as const) {
      const answer = call(method);
      expect(await waitUntil(async () => (await stuck()) === 1, patienceMs)).toBe(true);
      const { statusCode, json } = await answer.then((got) => ({ statusCode: got.statusCode, json: got.json() }));
      expect([method, statusCode, json.code]).toEqual([method, 504, 'database.timeout']);
      expect(await stuck()).toBe(0);
    }
  }, 60_000);
});

describe('a request that waits to begin', () => {
  const ended = Promise.withResolvers<void>();

  @Controller('api/v1/rooms')
  class RoomsController {
    static visits = 0;
    @Get()
    @Access({ ...rule, permission: 'public', summary: 'A visit' })
    async visit() {
      RoomsController.visits += 1;
      await ended.promise;
      return {};
    }
  }

  it('[B-034] gets 503 after 30 s in the queue, not before, and nothing of it is ever begun', async () => {
    jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask', 'Date'] });
    const busy = await startEdge({ controllers: [RoomsController], environment: { ADMISSION_RUNNING_MAX: '1' } });
    const visit = async () => await busy.app.inject({ method: 'GET', url: '/api/v1/rooms' });
    const turns = async () => {
      for (let n = 0; n < 50; n += 1) await new Promise((resolve) => setImmediate(resolve));
    };
    const running = visit();
    await turns();
    let queued: Awaited<ReturnType<typeof visit>> | undefined;
    void visit().then((answer) => {
      queued = answer;
    });
    await turns();
    jest.advanceTimersByTime(29_500);
    await turns();
    expect([RoomsController.visits, queued]).toEqual([1, undefined]);
    jest.advanceTimersByTime(1_000);
    await turns();
    expect([queued?.statusCode, queued?.json().code]).toEqual([503, 'service.overloaded']);
    ended.resolve();
    expect((await running).statusCode).toBe(200);
    await turns();
    expect(RoomsController.visits).toBe(1);
    jest.useRealTimers();
    await busy.app.close();
  });
});
