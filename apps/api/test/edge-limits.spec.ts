import { parseConfig } from '#infra/config';
import { RedisConnections, redisConfig } from '#infra/redis';
import { createLog, Metrics } from '#infra/telemetry';
import { Limits, throttlingConfig } from '#infra/throttling';
import { bearer, type Edge, LogLines, newTenant, person, startEdge } from './edge-fixture.js';
import { ThingsController } from './edge-things.js';

const nobodyListens = 'redis://127.0.0.1:1';

describe('limits at the door', () => {
  const tenant = newTenant();
  const ann = person(['things.read'], tenant);
  const stranger = person([]);
  let edge: Edge;
  let redis: RedisConnections;
  beforeEach(async () => {
    const log = createLog({ level: 'info', service: 'praxis' }, { app: 'api', version: '0', to: new LogLines().sink });
    const metrics = new Metrics();
    const { throttling, redis: addresses } = parseConfig(
      { throttling: throttlingConfig, redis: redisConfig },
      { RATE_LIMIT_AUTHENTICATED: '3', RATE_LIMIT_GENERAL: '8', REDIS_URL: nobodyListens },
    );
    // Redis is away, so the limits count in this process: the door must not depend on where they count.
    redis = new RedisConnections(addresses, log, metrics);
    const limits = new Limits({ config: throttling, redis, log, metrics });
    edge = await startEdge({ controllers: [ThingsController], people: [ann, stranger], limits });
  });
  afterEach(async () => {
    await edge.app.close();
    await redis.close();
  });

  const small = (headers: Record<string, string>, remoteAddress = '203.0.113.1') =>
    edge.app.inject({ method: 'GET', url: '/api/v1/things/small', headers, remoteAddress });

  it('every answer says what is left, and the one too many says when to come back', async () => {
    const answers = [];
    for (let call = 0; call < 4; call += 1) answers.push(await small(bearer(ann)));
    expect(answers.map((answer) => answer.statusCode)).toEqual([200, 200, 200, 429]);
    expect(answers[0]?.headers['ratelimit-policy']).toContain('"authenticated";q=3;w=900');
    expect(answers[0]?.headers.ratelimit).toContain('"authenticated";r=2');
    const refused = answers[3];
    expect(Number(refused?.headers['retry-after'])).toBeGreaterThan(0);
    expect(refused?.json()).toMatchObject({
      status: 429,
      code: 'limit.exceeded',
      'violated-policies': ['authenticated'],
    });
  });

  it('guessing tokens counts against the address', async () => {
    const statuses = [];
    for (let call = 0; call < 9; call += 1)
      statuses.push((await small({ authorization: `Bearer t${call}` })).statusCode);
    expect(statuses).toEqual([401, 401, 401, 401, 401, 401, 401, 401, 429]);
    expect((await small({ authorization: 'Bearer t' }, '203.0.113.2')).statusCode).toBe(401);
  });

  it('refused attempts count too, so that the record of them cannot be flooded', async () => {
    const statuses = [];
    for (let call = 0; call < 4; call += 1) statuses.push((await small(bearer(stranger))).statusCode);
    expect(statuses).toEqual([403, 403, 403, 429]);
    expect(edge.denied).toHaveLength(3);
  });
});
