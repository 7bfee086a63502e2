import { setTimeout as pause } from 'node:timers/promises';
import { Users } from '#infra/identity';
import type { Plan } from '#infra/kernel';
import { RedisConnections } from '#infra/redis';
import { type Api, login, password } from './house/world.js';

export interface Knock {
  readonly from: string;
  readonly token?: string;
  readonly lookup?: boolean;
}

/** From one address, ten a second may log in. */
const loginPauseMs = 400;
const redisTimeoutMs = 20_000;
const quarterHourMs = 900_000;
/** Into which a window is divided. */
const slots = 20;

export const address = (n: number): string => `198.51.${100 + Math.floor(n / 250)}.${1 + (n % 250)}`;

/** Requests from anywhere, and what Redis has counted of them. */
export class Door {
  constructor(private readonly api: Api) {}

  /** One request from an address: a list, a lookup of a member, or (without a token) the check of a card. */
  async knock({ from, token, lookup = false }: Knock) {
    const method = token !== undefined && !lookup ? 'GET' : 'POST';
    const url = lookup ? '/api/v1/members/lookup' : token === undefined ? '/api/v1/cards/verify' : '/api/v1/services';
    const payload = lookup ? { idNumber: 'unknown-1' } : { scan: 'none', nonce: 'bm9uZQ' };
    const { statusCode, headers, body } = await this.api.app.inject({
      method,
      url,
      remoteAddress: from,
      headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
      ...(method === 'POST' ? { payload } : {}),
    });
    return {
      status: statusCode,
      policies: String(headers['ratelimit-policy']),
      retryAfterS: Number(headers['retry-after']),
      violated: statusCode === 429 ? JSON.parse(body)['violated-policies'] : [],
    };
  }

  /** How many were let through, and the first that was not. */
  async knockUntilRefused(max: number, each: (n: number) => Knock) {
    for (let n = 1; n <= max; n += 1) {
      const answer = await this.knock(each(n));
      if (answer.status === 429) return { passed: n - 1, refused: answer };
    }
    return { passed: max, refused: null };
  }

  /** Somebody tries to go on with a session that there never was. */
  refresh(remoteAddress: string) {
    const payload = { refreshToken: 'none' };
    return this.api.app.inject({ method: 'POST', url: '/api/v1/auth/refresh', remoteAddress, payload });
  }

  async ownerOf(plan: Plan) {
    await pause(loginPauseMs);
    const ctx = await this.api.db.newTenant({ plan });
    const { slug } = await this.api.db.sharding.tenants.byId(ctx.tenant.id);
    const email = `owner@${slug}.example`;
    await this.api.app.get(Users).createOwner(ctx, { email, displayName: 'Owner', password });
    const { token, id: userId } = await login(this.api, slug, email);
    return { ctx, slug, token, userId };
  }

  /** As if so many requests of a limit had been made a moment ago. */
  async useUp(key: string, count: number, windowMs = quarterHourMs): Promise<void> {
    const redis = this.redis;
    const [seconds] = await redis.time();
    await redis.hset(`limits:${key}`, Math.floor((Number(seconds) * 1_000 * slots) / windowMs), count);
  }

  /** What other specs have asked for from this machine counts no more. */
  async forgetAll(): Promise<void> {
    const connections = this.api.app.get(RedisConnections);
    expect(await connections.ready('limits', redisTimeoutMs)).toBe(true);
    const keys = await this.redis.keys('limits:*');
    if (keys.length > 0) await this.redis.del(keys);
  }

  private get redis() {
    return this.api.app.get(RedisConnections).get('limits');
  }
}
