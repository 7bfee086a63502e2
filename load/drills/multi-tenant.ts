import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { parseConfig } from '#infra/config';
import { leaseOf, throttlingConfig } from '#infra/throttling';
import { type Headers, HttpConnection } from '../http-client.js';
import { type Limited, onLimitedStack } from '../limits/limited-stack.js';
import type { CompaniesOrder } from '../limits/make-companies.js';
import { type Ask, atWork, type Company, crowdOf, perSecond, verdictOn } from '../limits/multi-tenant.js';
import { type Outcome, rounded, run, say } from '../report.js';

const apis = 2;
const seconds = 60;
const usual = parseConfig({ throttling: throttlingConfig }, {}).throttling;
const crowd = crowdOf({
  ofEachPlan: 50,
  limits: {
    FREE: usual.free,
    BASIC: usual.basic,
    PROFESSIONAL: usual.professional,
    ENTERPRISE: usual.enterprise,
  },
  above: { FREE: 10, BASIC: 5, PROFESSIONAL: 3, ENTERPRISE: 1 },
  full: { FREE: 3, BASIC: 2, PROFESSIONAL: 1, ENTERPRISE: 0 },
  calmMax: 150,
});
/** One user asks for a whole company, so what counts single users must not be what refuses. */
const environment = {
  // The load has the same processors: who answers late because of that shall still be counted in Redis.
  RATE_LIMIT_DEADLINE: '250',
  RATE_LIMIT_GENERAL: '1000000',
  RATE_LIMIT_AUTHENTICATED: '1000000',
  RATE_LIMIT_PREMIUM: '1000000',
};
const makerProgram = fileURLToPath(new URL('../limits/make-companies.js', import.meta.url));

async function drill(): Promise<Outcome> {
  const calls = crowd.reduce((sum, company) => sum + company.calls, 0);
  say(
    `Drill multi-tenant: ${crowd.length} companies of four plans at work for ${seconds} s, ${calls} requests in all.`,
  );
  return onLimitedStack({ apis, tenants: [], environment }, async (own) => {
    const password = randomBytes(18).toString('base64url');
    await make(own, { password, companies: crowd });
    const tokens = new Map<string, Headers>();
    for (const company of crowd) tokens.set(company.slug, await login(own, company, password));
    say('All are there and logged in.');
    const pool = new Connections(own);
    const startedAt = performance.now();
    const heard = await atWork(crowd, pool.ask(tokens), seconds);
    const tookS = (performance.now() - startedAt) / 1_000;
    pool.close();
    const { passed, figures } = verdictOn(heard, (limit) => apis * leaseOf(limit));
    const byApi = await Promise.all(own.stack.apis.map(({ url }) => countedHere(url)));
    const late = byApi.reduce((sum, each) => sum + each);
    return {
      passed,
      figures: { seconds: rounded(tookS), perSecond: perSecond(calls, tookS), ...figures, countedWithoutRedis: late },
    };
  });
}

async function make({ stack }: Limited, order: CompaniesOrder): Promise<void> {
  const env = { ...process.env, ...stack.operatorEnvironment };
  const child = spawn(process.execPath, [makerProgram], { env, stdio: ['pipe', 'inherit', 'inherit'] });
  child.stdin.end(JSON.stringify(order));
  const code = await new Promise((resolve) => child.once('exit', resolve));
  if (code !== 0) throw new Error(`the companies could not be made: ${code}`);
}

/** How often a process has counted by itself, because Redis was late: such calls are not shared. */
async function countedHere(url: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(/^rate_limit_answers\{[^}]*source="local"[^}]*\} (\d+)/m.exec(text)?.[1]);
}

async function login({ stack }: Limited, { slug, ip }: Company, password: string): Promise<Headers> {
  const connection = new HttpConnection(stack.apis[0]?.url ?? '');
  const body = JSON.stringify({ tenant: slug, email: `owner@${slug}.example`, password });
  const from = { 'x-forwarded-for': ip };
  const answer = await connection.request('POST', '/api/v1/auth/login', from, body);
  connection.close();
  if (answer.status !== 200) throw new Error(`login was answered with ${answer.status}: ${answer.body}`);
  return { ...from, authorization: `Bearer ${JSON.parse(answer.body).accessToken}` };
}

/** Kept open, and taken by whoever asks next; processes in turns. */
class Connections {
  readonly #idle: HttpConnection[][];
  readonly #all: HttpConnection[] = [];
  #turn = 0;

  constructor(private readonly own: Limited) {
    this.#idle = own.stack.apis.map(() => []);
  }

  ask(tokens: ReadonlyMap<string, Headers>): Ask {
    return async (company, method, path, body) => {
      this.#turn += 1;
      const api = this.#turn % this.own.stack.apis.length;
      const idle = this.#idle[api] ?? [];
      const connection = idle.pop() ?? this.#open(api);
      const answer = await connection.request(method, path, tokens.get(company.slug) ?? {}, body);
      idle.push(connection);
      return answer;
    };
  }

  close(): void {
    for (const connection of this.#all) connection.close();
  }

  #open(api: number): HttpConnection {
    const connection = new HttpConnection(this.own.stack.apis[api]?.url ?? '');
    this.#all.push(connection);
    return connection;
  }
}

await run('multi-tenant', drill);
