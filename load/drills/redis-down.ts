import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { RedisServer, stackHome } from '#infra/testing';
import { HttpConnection } from '../http-client.js';
import {
  from,
  type Heard,
  type Limited,
  type LimitedTenant,
  type Office,
  onLimitedStack,
  timed,
} from '../limits/limited-stack.js';
import { type Outcome, percentile, rounded, run, say } from '../report.js';

const tenants: readonly LimitedTenant[] = [
  { slug: 'clinic-1', plan: 'ENTERPRISE', ip: '203.0.113.1' },
  { slug: 'clinic-2', plan: 'ENTERPRISE', ip: '203.0.113.2' },
];
const apis = 2;
const usualMs = 10_000;
const afterMs = 5_000;
const everyMs = 50;
const refreshEvery = 40;
const addedMaxMs = 50;
const backWithinMs = 5_000;
const anonymousLimit = 40;
const probesMax = 100;
const idNumber = 'drill-0001';
/** Time for a process to find that its Redis is gone. */
const turningMs = 500;

type Phase = 'usual' | 'turning' | 'down' | 'back';
interface Stage {
  phase: Phase;
}
interface WorkHeard extends Heard {
  readonly phase: Phase;
  readonly what: 'lookup' | 'list' | 'refresh';
}

const { values } = parseArgs({ options: { seconds: { type: 'string', default: '60' } } });
const downMs = Number(values.seconds) * 1_000;

async function drill(): Promise<Outcome> {
  say(`Drill redis-down: Redis is away for ${downMs / 1000} s while two api processes work.`);
  say(
    'Two clinics look a member up, list their services and renew their logins, through both processes. Nobody may get an ' +
      'error or be logged out; a stranger is limited by each process’s share; when Redis is back, both count together again.',
  );
  const environment = {
    RATE_LIMIT_GENERAL: '1000000',
    RATE_LIMIT_PREMIUM: '1000000',
    RATE_LIMIT_MEMBER_LOOKUP: '1000000',
    RATE_LIMIT_ANONYMOUS: String(anonymousLimit),
  };
  return onLimitedStack({ apis, tenants, environment }, async (own) => {
    for (const office of own.offices) await enrol(own, office);
    const stage: Stage = { phase: 'usual' };
    const stopping = new AbortController();
    const clients = own.offices.flatMap((office, n) => [
      look(stopping.signal, own, office, n, stage),
      renew(stopping.signal, own, office, n, stage),
    ]);
    const seen = await away(own, stage).finally(() => stopping.abort());
    return verdict((await Promise.all(clients)).flat(), seen);
  });
}

async function enrol({ stack }: Limited, { headers }: Office): Promise<void> {
  const connection = new HttpConnection(stack.apis[0]?.url ?? '');
  const member = {
    name: { given: 'Member', family: 'Sample' },
    idScheme: 'generic',
    idNumber,
    membership: { from: '2020-01-01', tz: 'Africa/Johannesburg' },
  };
  const answer = await connection.request('POST', '/api/v1/members', headers, JSON.stringify(member));
  connection.close();
  if (answer.status !== 201) throw new Error(`the member was answered with ${answer.status}: ${answer.body}`);
}

/** A lookup that the cache serves, and a list that the database serves, in turn, evenly. */
async function look(
  stop: AbortSignal,
  { stack }: Limited,
  office: Office,
  n: number,
  stage: Stage,
): Promise<WorkHeard[]> {
  const connection = new HttpConnection(stack.apis[n % apis]?.url ?? '');
  const heard: WorkHeard[] = [];
  let next = performance.now();
  for (let turn = 0; !stop.aborted; turn += 1) {
    const { phase } = stage;
    const what = turn % 2 === 0 ? 'lookup' : 'list';
    const asked =
      what === 'lookup'
        ? connection.request(
            'POST',
            '/api/v1/members/lookup',
            office.headers,
            JSON.stringify({ idScheme: 'generic', idNumber }),
          )
        : connection.request('GET', '/api/v1/services?limit=1', office.headers);
    heard.push({ ...(await timed(asked)), phase, what });
    next += everyMs;
    await sleep(Math.max(0, next - performance.now()));
  }
  connection.close();
  return heard;
}

/** Renews the login every two seconds: whoever is logged out cannot. */
async function renew(
  stop: AbortSignal,
  { stack }: Limited,
  office: Office,
  n: number,
  stage: Stage,
): Promise<WorkHeard[]> {
  const heard: WorkHeard[] = [];
  let { refreshToken } = office;
  for (let turn = 0; !stop.aborted; turn += 1) {
    if (turn % refreshEvery === 0) {
      const connection = new HttpConnection(stack.apis[(n + turn / refreshEvery) % apis]?.url ?? '');
      const { phase } = stage;
      const body = JSON.stringify({ refreshToken });
      const answer = await timed(connection.request('POST', '/api/v1/auth/refresh', from(office.tenant.ip), body));
      if (answer.status === 200) ({ refreshToken } = JSON.parse(answer.body) as { refreshToken: string });
      heard.push({ ...answer, phase, what: 'refresh' });
      connection.close();
    }
    await sleep(everyMs);
  }
  return heard;
}

interface Seen {
  /** Of one stranger at one process, without Redis. */
  readonly strangerPassed: number;
  readonly strangerCode: string;
  readonly memoryHits: number;
  /** Until both processes counted a new stranger together again. */
  readonly togetherMs: number;
}

async function away(own: Limited, stage: Stage): Promise<Seen> {
  await sleep(usualMs);
  const { redis, home } = own.stack.cluster;
  if (redis === undefined) throw new Error('the stack has no Redis');
  const { port, password } = redis;
  stage.phase = 'turning';
  await redis.stop();
  await sleep(turningMs);
  stage.phase = 'down';
  say('  Redis is away.');
  const hitsBefore = await memoryHits(own);
  const stranger = await untilRefused(own);
  await sleep(Math.max(0, downMs - turningMs));
  const hits = (await memoryHits(own)) - hitsBefore;
  const place = { binariesHome: stackHome(), dataDir: join(home, 'redis'), port, password };
  const again = await RedisServer.start({ ...place, durability: 'durable', note: say });
  try {
    stage.phase = 'back';
    const togetherMs = await untilTogether(own);
    say(`  Redis is back, and the processes count together again after ${rounded(togetherMs)} ms.`);
    await sleep(afterMs);
    return { ...stranger, memoryHits: hits, togetherMs };
  } finally {
    await again.stop();
  }
}

/** A stranger checks a card, until a process says that it is enough. */
async function untilRefused({ stack }: Limited): Promise<Pick<Seen, 'strangerPassed' | 'strangerCode'>> {
  for (let passed = 0; passed < probesMax; passed += 1) {
    const { status, body } = await knock(stack.apis[0]?.url ?? '', '198.51.100.1');
    if (status === 429) return { strangerPassed: passed, strangerCode: (JSON.parse(body) as { code: string }).code };
  }
  return { strangerPassed: probesMax, strangerCode: 'none' };
}

/** A new stranger each time knocks at one process, then at the other: the second one knows of the first. */
async function untilTogether({ stack }: Limited): Promise<number> {
  const startedAt = performance.now();
  for (let n = 1; performance.now() - startedAt < 3 * backWithinMs; n += 1) {
    const ip = `198.51.100.${n + 1}`;
    await knock(stack.apis[0]?.url ?? '', ip);
    const { headers } = await knock(stack.apis[1]?.url ?? '', ip);
    if (/"anonymous";r=(\d+)/.exec(headers.ratelimit ?? '')?.[1] === String(anonymousLimit - 2))
      return performance.now() - startedAt;
    await sleep(everyMs);
  }
  return Number.POSITIVE_INFINITY;
}

async function knock(url: string, ip: string): Promise<Heard> {
  const connection = new HttpConnection(url);
  const body = JSON.stringify({ scan: 'none', nonce: 'bm9uZQ' });
  const answer = await timed(connection.request('POST', '/api/v1/cards/verify', from(ip), body));
  connection.close();
  return answer;
}

/** Lookups that the processes answered from their own memory. */
async function memoryHits({ stack, offices }: Limited): Promise<number> {
  let hits = 0;
  for (const { url } of stack.apis) {
    const connection = new HttpConnection(url);
    const { body } = await connection.request('GET', '/api/v1/admin/cache/stats', offices[0]?.headers ?? {});
    connection.close();
    const stats = JSON.parse(body) as { strategies: Record<string, { memory: { hits: number } }> };
    hits += stats.strategies.memberData?.memory.hits ?? 0;
  }
  return hits;
}

function verdict(
  heard: readonly WorkHeard[],
  { strangerPassed, strangerCode, memoryHits: hits, togetherMs }: Seen,
): Outcome {
  const work = heard.filter(({ what }) => what !== 'refresh');
  const p99 = (phase: Phase) =>
    percentile(
      work.filter((one) => one.phase === phase).map(({ ms }) => ms),
      0.99,
    );
  const statuses = (matches: (status: number) => boolean) => heard.filter(({ status }) => matches(status)).length;
  const addedMs = p99('down') - p99('usual');
  const figures = {
    downSeconds: downMs / 1_000,
    answers: heard.length,
    answersWhileDown: heard.filter(({ phase }) => phase === 'down').length,
    serverErrors: statuses((status) => status >= 500 || status === 0),
    loggedOut: statuses((status) => status === 401),
    refused: statuses((status) => status === 429),
    otherFailures: statuses((status) => status >= 400 && status < 500 && status !== 401 && status !== 429),
    refreshes: heard.filter(({ what, status }) => what === 'refresh' && status === 200).length,
    usualP99Ms: rounded(p99('usual')),
    turningP99Ms: rounded(p99('turning')),
    downP99Ms: rounded(p99('down')),
    addedP99Ms: rounded(addedMs),
    strangerPassed,
    strangerCode,
    memoryHits: hits,
    togetherMs: rounded(togetherMs),
  };
  const noHarm = figures.serverErrors === 0 && figures.loggedOut === 0;
  const noRefusal = figures.refused === 0 && figures.otherFailures === 0;
  const isLimited = strangerPassed === anonymousLimit / apis && strangerCode === 'limit.reduced';
  return {
    passed: noHarm && noRefusal && isLimited && addedMs < addedMaxMs && hits > 0 && togetherMs < backWithinMs,
    figures,
  };
}

await run('redis-down', drill);
