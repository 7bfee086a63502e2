import { Controller, Get, Post } from '@nestjs/common';
import { parseConfig } from '#infra/config';
import { FixedClock, newId, type Plan, type TenantId } from '#infra/kernel';
import { RedisConnections, redisConfig } from '#infra/redis';
import { createLog, Metrics } from '#infra/telemetry';
import { type HomeNetworks, Limits, throttlingConfig } from '#infra/throttling';
import { Access } from '../src/edge/index.js';
import { baseTime, bearer, type Edge, LogLines, type Person, person, startEdge } from './edge-fixture.js';

const nobodyListens = 'redis://127.0.0.1:1';
const minuteMs = 60_000;
const hourMs = 60 * minuteMs;

const open = { permission: 'things.read', audit: 'none', answers: null, summary: 'Limited' } as const;

/** One route for each class of limits that a route of its own may name. */
@Controller('api/v1/limited')
class LimitedController {
  @Get('read')
  @Access({ ...open, limit: 'read' })
  read() {}

  @Get('public')
  @Access({ ...open, permission: 'public', limit: 'public' })
  public() {}

  @Post('cards')
  @Access({ ...open, limit: 'card-generation' })
  cards() {}

  @Post('batch')
  @Access({ ...open, limit: 'batch' })
  batch() {}

  @Post('analyze')
  @Access({ ...open, limit: 'ai' })
  analyze() {}

  @Post('uploads')
  @Access({ ...open, limit: 'uploads' })
  uploads() {}

  @Post('strict')
  @Access({ ...open, limit: 'strict' })
  strict() {}

  @Get('patients')
  @Access({ ...open, limit: 'search' })
  patients() {}

  @Get('records')
  @Access({ ...open, limit: 'record-export' })
  records() {}

  @Get('audit')
  @Access({ ...open, limit: 'audit-export' })
  audit() {}

  @Get('lookup')
  @Access({ ...open, limit: 'member-lookup' })
  lookup() {}
}

@Controller('api/ai')
class AiController {
  @Post('analyze')
  @Access({ ...open, limit: 'ai' })
  analyze() {}
}

const clinic = '203.0.113.0';
const colleague = (plan: Plan, id = newId<TenantId>()): Person => person(['things.read'], { id, plan });

let clock: FixedClock;
let edge: Edge;
let redis: RedisConnections;
let limits: Limits;
const basic = colleague('BASIC');
const second = colleague('BASIC', basic.tenant.id);
const pro = colleague('PROFESSIONAL');
const outsider = colleague('BASIC');

async function start(environment: Record<string, string> = {}, networks?: HomeNetworks): Promise<void> {
  const log = createLog({ level: 'info', service: 'praxis' }, { app: 'api', version: '0', to: new LogLines().sink });
  const metrics = new Metrics();
  const config = parseConfig(
    { throttling: throttlingConfig, redis: redisConfig },
    { REDIS_URL: nobodyListens, ...environment },
  );
  // Redis is away, so this process counts, by a clock that the test turns.
  redis = new RedisConnections(config.redis, log, metrics);
  clock = new FixedClock(baseTime);
  limits = new Limits({ config: config.throttling, redis, log, metrics, clock, ...(networks ? { networks } : {}) });
  const people = [basic, second, pro, outsider];
  edge = await startEdge({ controllers: [LimitedController, AiController], people, limits });
}
afterEach(async () => {
  await edge.app.close();
  await redis.close();
});

async function ask(path: string, who?: Person, remoteAddress = clinic) {
  const method = ['cards', 'batch', 'analyze', 'uploads', 'strict'].includes(path) ? 'POST' : 'GET';
  return send(method, `/api/v1/limited/${path}`, who, remoteAddress);
}
async function send(method: 'GET' | 'POST', url: string, who?: Person, remoteAddress = clinic) {
  const headers = who === undefined ? {} : bearer(who);
  const answer = await edge.app.inject({ method, url, headers, remoteAddress });
  const { statusCode: status } = answer;
  return { status, headers: answer.headers, violated: status === 429 ? answer.json()['violated-policies'] : [] };
}
/** How many pass before the first that does not, and what refused it. */
async function until429(path: string, who: Person | undefined, max: number, from?: (n: number) => string) {
  for (let n = 0; n < max; n += 1) {
    const answer = await ask(path, who, from?.(n));
    if (answer.status === 429) return { passed: n, ...answer };
  }
  throw new Error(`all of ${max} passed`);
}

describe('a route says by its class what it is limited by', () => {
  it('[C-023] each tier shows its own policy and limit: anonymous 100, authenticated 1,000, premium 5,000', async () => {
    await start();
    const shown = async (path: string, who?: Person) => String((await ask(path, who)).headers['ratelimit-policy']);
    expect(await shown('public')).toContain('"anonymous";q=100;w=900');
    const authenticated = await shown('read', basic);
    expect(authenticated).toContain('"authenticated";q=1000;w=900');
    expect(authenticated).not.toContain('premium');
    const premium = await shown('read', pro);
    expect(premium).toContain('"premium";q=5000;w=900');
    expect(premium).not.toMatch(/authenticated|anonymous/);
  });

  it('[B-031] [C-029] the eleventh generation of cards in five minutes is refused by its name, and one passes after the window', async () => {
    await start();
    const { passed, violated, headers } = await until429('cards', basic, 20);
    expect(passed).toBe(10);
    expect(violated).toEqual(['card-generation']);
    expect(headers['ratelimit-policy']).toContain('"card-generation";q=10;w=300');
    expect((await ask('cards', second)).status).toBe(429);
    clock.advance(Number(headers['retry-after']) * 1_000);
    expect((await ask('cards', basic)).status).toBe(200);
  });

  it('[B-066] the sixth batch of a user within an hour is refused, in windows of an hour that begin for all at once', async () => {
    await start();
    clock.set(Math.ceil(clock.now() / hourMs) * hourMs + 59 * minuteMs);
    const { passed, violated, headers } = await until429('batch', basic, 10);
    expect(passed).toBe(5);
    expect(violated).toEqual(['batch']);
    expect(headers['ratelimit-policy']).toContain('"batch";q=5;w=3600');
    expect(headers['retry-after']).toBe('60');
    expect((await ask('batch', second)).status).toBe(200);
    clock.advance(minuteMs);
    expect((await until429('batch', basic, 10)).passed).toBe(5);
  });

  it('[E-023] ten questions to a model in a minute, one more every six seconds, and a hundred of a tenant in an hour', async () => {
    await start();
    const { passed, violated, headers } = await until429('analyze', basic, 20);
    expect(passed).toBe(10);
    expect(violated).toEqual(['ai']);
    expect(headers['ratelimit-policy']).toContain('"ai";q=10;w=60, "ai-tenant";q=100;w=3600');
    clock.advance(6_000);
    expect((await until429('analyze', basic, 20)).passed).toBe(1);
    for (let minute = 1; minute < 9; minute += 1) {
      clock.advance(minuteMs);
      expect((await until429('analyze', basic, 20)).passed).toBe(10);
    }
    const last = await until429('analyze', second, 20);
    expect(last.passed).toBe(9);
    expect(last.violated).toEqual(['ai-tenant']);
    expect((await ask('analyze', outsider)).status).toBe(200);
    // A route that is not about models counts against the general limits only.
    expect((await ask('read', basic)).status).toBe(200);
  });

  it('[E-029] one guard counts every route of /api for its tenant, and POST /api/ai/analyze by `ai` besides', async () => {
    await start({ RATE_LIMIT_BASIC: '14' });
    const analyze = (who: Person) => send('POST', '/api/ai/analyze', who);
    for (let n = 0; n < 10; n += 1) expect((await analyze(basic)).status).toBe(200);
    const refused = await analyze(basic);
    expect(refused).toMatchObject({ status: 429, violated: ['ai'] });
    expect(refused.headers['ratelimit-policy']).toContain('"tenant-plan";q=14;w=900');
    // The refused one is not counted: ten of fourteen.
    for (let n = 0; n < 4; n += 1) {
      const read = await ask('read', basic);
      expect(read.status).toBe(200);
      expect(read.headers['ratelimit-policy']).not.toContain('"ai"');
    }
    expect(await ask('read', second)).toMatchObject({ status: 429, violated: ['tenant-plan'] });
    expect((await analyze(outsider)).status).toBe(200);
  });

  it('[E-024] thirty uploads of a user in 15 minutes, and 5 GB of a tenant in a day', async () => {
    await start();
    const { passed, violated, headers } = await until429('uploads', basic, 40);
    expect(passed).toBe(30);
    expect(violated).toEqual(['uploads']);
    expect(headers['ratelimit-policy']).toContain('"upload-bytes";q=5000000000;w=86400;qu="content-bytes"');
    const subjectOf = ({ actor, tenant }: Person) => ({
      ip: clinic,
      userId: actor.id,
      tenantId: tenant.id,
      plan: tenant.plan,
    });
    const upload = (who: Person, bytes: number) => limits.consume(['uploads'], subjectOf(who), { bytes });
    expect((await upload(second, 4_000_000_000)).allowed).toBe(true);
    const tooMuch = await upload(second, 1_000_000_001);
    expect(tooMuch.policies.filter(({ exceeded }) => exceeded).map(({ name }) => name)).toEqual(['upload-bytes']);
    expect((await upload(second, 1_000_000_000)).allowed).toBe(true);
    expect((await upload(outsider, 1_000_000_001)).allowed).toBe(true);
  });

  it('[E-025] five in 15 minutes where a route is strict', async () => {
    await start();
    const { passed, violated, headers } = await until429('strict', basic, 10);
    expect(passed).toBe(5);
    expect(violated).toEqual(['strict']);
    expect(headers['ratelimit-policy']).toContain('"strict";q=5;w=900');
  });

  it.each([
    ['patients', 'patient-search', 30, 60],
    ['records', 'record-export', 5, 3_600],
    ['audit', 'audit-export', 2, 3_600],
    ['lookup', 'member-lookup', 60, 60],
  ] as const)('[D-045] what a clinic guards most: %s by %s, %i in %i s', async (path, policy, limit, windowS) => {
    await start();
    const { passed, violated, headers } = await until429(path, basic, 100);
    expect(passed).toBe(limit);
    expect(violated).toEqual([policy]);
    expect(headers['ratelimit-policy']).toContain(`"${policy}";q=${limit};w=${windowS}`);
  });
});

describe('a clinic behind one address', () => {
  const atClinic: HomeNetworks = {
    isHome: ({ ip, tenantId }) => tenantId === basic.tenant.id && ip === clinic,
  };

  it('does not reach the limit of the address while its people are logged in; strangers there do', async () => {
    await start({ RATE_LIMIT_GENERAL: '8' }, atClinic);
    for (let n = 0; n < 20; n += 1) expect((await ask('read', n % 2 === 0 ? basic : second)).status).toBe(200);
    expect((await until429('public', undefined, 20)).passed).toBe(8);
    expect((await ask('read', outsider)).violated).toEqual(['general']);
    expect((await ask('read', basic)).status).toBe(200);
    // Elsewhere they count like everybody.
    expect((await until429('read', basic, 20, () => '198.51.100.7')).passed).toBe(8);
  });

  it('looks members up sixty times a minute for each of its people', async () => {
    await start({}, atClinic);
    expect((await until429('lookup', basic, 100)).passed).toBe(60);
    expect((await until429('lookup', second, 100)).passed).toBe(60);
  });
});

describe('a refusal', () => {
  it('says by its type whether a limit is used up or only this process’s share of it', async () => {
    await start({ EXPECTED_NODES: '2' });
    expect((await until429('strict', basic, 10)).passed).toBe(2);
    const { statusCode, body } = await edge.app.inject({
      method: 'POST',
      url: '/api/v1/limited/strict',
      headers: bearer(basic),
      remoteAddress: clinic,
    });
    expect(statusCode).toBe(429);
    expect(JSON.parse(body)).toMatchObject({
      type: 'https://iana.org/assignments/http-problem-types#temporary-reduced-capacity',
      code: 'limit.reduced',
      'violated-policies': ['strict'],
    });
  });

  it('tells older clients in their own headers, where that is wanted', async () => {
    await start({ RATE_LIMIT_LEGACY_HEADERS: 'true' });
    const { headers } = await ask('strict', basic);
    expect(headers).toMatchObject({ 'x-ratelimit-limit': '5', 'x-ratelimit-remaining': '4' });
    expect(headers.ratelimit).toContain('"strict";r=4');
  });
});
