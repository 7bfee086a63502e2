import { Controller, Get, Module, Post } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { SkipThrottle, Throttle, ThrottlerModule } from '@nestjs/throttler';
import { parseConfig } from '#infra/config';
import { RedisConnections, redisConfig } from '#infra/redis';
import { createLog, Metrics } from '#infra/telemetry';
import { RedisThrottlerStorage, RouteThrottlerGuard } from '#infra/throttling';
import { Access } from '../src/edge/index.js';
import { type Edge, LogLines, startEdge } from './edge-fixture.js';

const open = { permission: 'public', audit: 'none', limit: 'unlimited', answers: null, summary: 'Throttled' } as const;
const minuteMs = 60_000;
const nobodyListens = 'redis://127.0.0.1:1';

/** As code that was written for @nestjs/throttler brings it along. */
@Controller('api/ai')
class AiController {
  @Post('analyze')
  @Throttle({ ai: { limit: 3, ttl: minuteMs } })
  @Access(open)
  analyze() {}
}

@Controller('api/things')
class ThingsController {
  @Get()
  @SkipThrottle({ ai: true })
  @Access(open)
  things() {}
}

let edge: Edge;
let redis: RedisConnections;
beforeAll(async () => {
  const log = createLog({ level: 'info', service: 'praxis' }, { app: 'api', version: '0', to: new LogLines().sink });
  const config = parseConfig({ redis: redisConfig }, { REDIS_URL: nobodyListens });
  redis = new RedisConnections(config.redis, log, new Metrics());
  const storage = new RedisThrottlerStorage({ redis, log, nodes: 1, deadlineMs: 25 });
  const throttlers = [
    { name: 'default', limit: 5, ttl: minuteMs },
    { name: 'ai', limit: 10, ttl: minuteMs },
  ];

  @Module({
    imports: [ThrottlerModule.forRoot({ throttlers, storage })],
    providers: [{ provide: APP_GUARD, useClass: RouteThrottlerGuard }],
  })
  class ThrottledModule {}
  edge = await startEdge({ controllers: [AiController, ThingsController], modules: [ThrottledModule] });
});
afterAll(async () => {
  await edge.app.close();
  await redis.close();
});

const statuses = async (method: 'GET' | 'POST', url: string, count: number) => {
  const seen: number[] = [];
  for (let n = 0; n < count; n += 1) seen.push((await edge.app.inject({ method, url })).statusCode);
  return seen;
};

describe('routes under @nestjs/throttler', () => {
  it('[E-029] are limited by its global guard, and POST /api/ai/analyze by its own @Throttle({ ai }), counted by the product’s storage', async () => {
    expect(await statuses('POST', '/api/ai/analyze', 4)).toEqual([200, 200, 200, 429]);
    expect(await statuses('GET', '/api/things', 6)).toEqual([200, 200, 200, 200, 200, 429]);
    const refused = await edge.app.inject({ method: 'POST', url: '/api/ai/analyze' });
    expect(refused.json()).toMatchObject({ status: 429, code: 'limit.exceeded', 'violated-policies': ['route'] });
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
  });
});
