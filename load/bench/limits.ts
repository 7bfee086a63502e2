import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseConfig } from '#infra/config';
import { newId } from '#infra/kernel';
import { RedisConnections, redisConfig } from '#infra/redis';
import { createLog, Metrics } from '#infra/telemetry';
import { findPort, RedisServer, stackHome } from '#infra/testing';
import { type LimitSubject, Limits, throttlingConfig } from '#infra/throttling';
import { median, type Outcome, rounded, run, say } from '../report.js';

const rounds = 9;
const atOnce = 64;
/** A hot caller of one process, as its lease sees it: one check after the other. */
const alone = 1;
const checks = 6_000;
const localChecks = 200_000;
const warmUps = 4_000;
const aimedRedisUs = 30;
const aimedLocalUs = 5;
const deadlineMs = 250;

const script = new URL('../../libs/infra/throttling/src/consume.lua', import.meta.url);
const plenty = {
  RATE_LIMIT_GENERAL: '2000',
  RATE_LIMIT_ANONYMOUS: '2000',
  RATE_LIMIT_PREMIUM: '10000000',
  RATE_LIMIT_DEADLINE: String(deadlineMs),
};

async function bench(): Promise<Outcome> {
  say(
    `Bench limits: processor time of one check in the calling process, the median of ${rounds} interleaved rounds, ` +
      `${atOnce} checks under way. Beside it the same script sent to Redis with nothing around it.`,
  );
  const folder = mkdtempSync(join(tmpdir(), 'praxis-limits-'));
  chmodSync(folder, 0o755);
  const port = await findPort('Redis', [], say);
  const place = { binariesHome: stackHome(), dataDir: join(folder, 'redis'), port, password: '' };
  const redis = await RedisServer.start({ ...place, durability: 'fast', note: say });
  try {
    return await measure(redis.url);
  } finally {
    await redis.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

type Check = () => unknown;

async function measure(url: string): Promise<Outcome> {
  const exact = await open(url, { ...plenty, RATE_LIMIT_LEASES: 'false' });
  const leased = await open(url, plenty);
  const strict = await open(url, { ...plenty, RATE_LIMIT_ANONYMOUS: '1' });
  const sides: Readonly<Record<string, Check>> = {
    raw: await rawCheck(exact.redis),
    address: () => exact.limits.consume(['public'], nextStranger(1)),
    user: () => exact.limits.consume(['read'], nextUser()),
  };
  const exactAlone = () => exact.limits.consume(['public'], nextStranger(4));
  const hot = () => leased.limits.consume(['public'], nextStranger(2));
  const denied = () => strict.limits.consume(['public'], { ip: '203.0.113.3' });
  for (const check of Object.values(sides)) await cpuUs(check, warmUps, atOnce);
  for (const check of [exactAlone, hot, denied]) await cpuUs(check, warmUps, alone);
  const spent: Record<string, number[]> = {};
  const note = (name: string, us: number) => {
    spent[name] = [...(spent[name] ?? []), us];
  };
  for (let round = 0; round < rounds; round += 1) {
    for (const [name, check] of Object.entries(sides)) note(name, await cpuUs(check, checks, atOnce));
    note('alone', await cpuUs(exactAlone, checks, alone));
    note('hot', await cpuUs(hot, checks, alone));
    note('denied', await cpuUs(denied, localChecks, alone));
  }
  const of = (name: string) => rounded(median(spent[name] ?? []), 2);
  const { lease, redis } = leased.limits.answered;
  const hits = lease / (lease + redis);
  const leaseHit = rounded((of('hot') - (1 - hits) * of('alone')) / hits, 2);
  const late = [exact, leased, strict].reduce((all, { limits }) => all + limits.answered.local, 0);
  for (const { redis: each, limits } of [exact, leased, strict]) {
    await limits.beforeApplicationShutdown();
    await each.close();
  }
  const figures = {
    rawScriptCpuUs: of('raw'),
    addressCheckCpuUs: of('address'),
    userCheckCpuUs: of('user'),
    oneAfterTheOtherCpuUs: of('alone'),
    hotAddressCpuUs: of('hot'),
    shareOfLeases: rounded(hits, 3),
    leaseHitCpuUs: leaseHit,
    deniedCpuUs: of('denied'),
    lateAnswers: late,
  };
  say(`  a check with Redis ${figures.addressCheckCpuUs} µs, its script alone ${figures.rawScriptCpuUs} µs.`);
  return { passed: of('address') < aimedRedisUs && leaseHit < aimedLocalUs && of('denied') < aimedLocalUs, figures };
}

async function open(url: string, environment: Readonly<Record<string, string>>) {
  const config = parseConfig({ redis: redisConfig, throttling: throttlingConfig }, { REDIS_URL: url, ...environment });
  const log = createLog({ level: 'error', service: 'praxis' }, { app: 'bench' });
  const metrics = new Metrics();
  const redis = new RedisConnections(config.redis, log, metrics);
  await redis.ready('limits', 5_000);
  return { redis, limits: new Limits({ config: config.throttling, redis, log, metrics }) };
}

let asked = 0;
const inARow = 1_000;
/** A new address after every thousand checks, so that nobody comes to the end of a limit. */
function nextStranger(side: number): LimitSubject {
  asked += 1;
  const n = Math.floor(asked / inARow);
  return { ip: `10.${side}.${n >> 8}.${n & 255}` };
}
/** As many tenants, too. */
const users = Array.from({ length: 64 }, () => ({ userId: newId(), tenantId: newId(), plan: 'ENTERPRISE' }) as const);
const nextUser = (): LimitSubject => ({ ...nextStranger(9), ...users[asked % users.length] });

/** What `address` sends: two windows of an address, and what it violated. Its numbers are never used up either. */
async function rawCheck(redis: RedisConnections): Promise<Check> {
  const connection = redis.get('limits');
  const sha = String(await connection.script('LOAD', readFileSync(script, 'utf8')));
  const keys = ['limits:{ip:raw}:general', 'limits:{ip:raw}:anonymous', 'limits:{ip:raw}:abuse'];
  const rule = ['sliding', 10_000_000, 900_000, 1, 0, 1];
  return () => connection.evalsha(sha, keys.length, ...keys, 1, ...rule, ...rule);
}

/** Processor time of this process for one check, in µs. */
async function cpuUs(check: Check, count: number, lines: number): Promise<number> {
  let left = count;
  const line = async () => {
    while (left > 0) {
      left -= 1;
      await check();
    }
  };
  const before = process.cpuUsage();
  await Promise.all(Array.from({ length: lines }, line));
  const { user: own, system } = process.cpuUsage(before);
  return (own + system) / count;
}

await run('limits', bench);
