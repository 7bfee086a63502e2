import type { Plan } from '#infra/kernel';
import { endWithProcess, LocalStack } from '#infra/testing';
import { type Answer, type Headers, HttpConnection } from '../http-client.js';
import { say } from '../report.js';

export interface LimitedTenant {
  readonly slug: string;
  readonly plan: Plan;
  /** Where its people sit, as the proxy tells: HAProxy is not needed, this machine is a trusted one. */
  readonly ip: string;
}

/** A tenant's owner, logged in. */
export interface Office {
  readonly tenant: LimitedTenant;
  readonly headers: Headers;
  readonly refreshToken: string;
}

export interface LimitedPlan {
  readonly apis: number;
  readonly tenants: readonly LimitedTenant[];
  readonly environment: Readonly<Record<string, string>>;
}

export interface Limited {
  readonly stack: LocalStack;
  readonly offices: readonly Office[];
}

interface CreatedTenant {
  readonly password: string;
}

/** A stack of its own with rate limiting on, and tenants of several plans; all are gone afterwards. */
export async function onLimitedStack<T>(plan: LimitedPlan, work: (own: Limited) => Promise<T>): Promise<T> {
  const stopping = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(name, () => stopping.abort());
  const stack = await LocalStack.start({
    ...{ apis: plan.apis, workers: 0, servers: 1, durable: true },
    environment: { ACCESS_TOKEN_TTL: '900000', ...plan.environment },
    note: say,
    abort: stopping.signal,
  });
  endWithProcess(stack);
  try {
    const offices: Office[] = [];
    for (const tenant of plan.tenants) offices.push(await openOffice(stack, tenant));
    return await work({ stack, offices });
  } finally {
    await stack.stop();
  }
}

async function openOffice(stack: LocalStack, tenant: LimitedTenant): Promise<Office> {
  const { slug, plan, ip } = tenant;
  const email = `owner@${slug}.example`;
  const asked = ['--slug', slug, '--name', slug, '--plan', plan, '--owner-email', email];
  const printed = await stack.cli('tenants', 'create', ...asked);
  const { password } = JSON.parse(printed.trim().split('\n').at(-1) ?? '') as CreatedTenant;
  const connection = new HttpConnection(stack.apis[0]?.url ?? '');
  const login = JSON.stringify({ tenant: slug, email, password });
  const answer = await connection.request('POST', '/api/v1/auth/login', from(ip), login);
  connection.close();
  if (answer.status !== 200) throw new Error(`login was answered with ${answer.status}: ${answer.body}`);
  const { accessToken, refreshToken } = JSON.parse(answer.body) as { accessToken: string; refreshToken: string };
  return { tenant, refreshToken, headers: { ...from(ip), authorization: `Bearer ${accessToken}` } };
}

export const from = (ip: string): Headers => ({ 'x-forwarded-for': ip });

/** One request and its answer; a broken connection is an answer with status 0. */
export interface Heard {
  readonly status: number;
  readonly ms: number;
  readonly headers: Headers;
  readonly body: string;
}

export async function timed(asked: Promise<Answer>): Promise<Heard> {
  const startedAt = performance.now();
  const answer = await asked.catch((error: Error) => ({ status: 0, headers: {}, body: error.message }));
  return { ...answer, ms: performance.now() - startedAt };
}
