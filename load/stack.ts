import { endWithProcess, LocalStack } from '#infra/testing';
import type { Credentials } from './api-client.js';
import { say } from './report.js';

export interface RunPlan {
  readonly apis: number;
  /** PostgreSQL servers, one shard on each. */
  readonly servers: number;
  /** Where the tenant lives; chosen by the product unless said. */
  readonly shard?: string;
  readonly environment?: Readonly<Record<string, string>>;
}

/** What runs while `work` runs. */
export interface Run {
  readonly stack: LocalStack;
  readonly tenantId: string;
  readonly credentials: Credentials;
  /** Index into `stack.cluster.servers` of the server that holds the tenant. */
  readonly server: number;
  /** The tenant's database there. */
  readonly database: string;
}

/** Limits that count one caller's requests would end a run by one user within its first second. */
const unlimited = { ENABLE_RATE_LIMITING: 'false', ACCESS_TOKEN_TTL: '900000' };
const slug = 'load';

/** A stack on free ports with data of its own that survives crashes, and one tenant; both are gone afterwards. */
export async function onOwnStack<T>(plan: RunPlan, work: (run: Run) => Promise<T>): Promise<T> {
  const { apis, servers, environment } = plan;
  say(
    `Starting a stack of its own: ${counted(servers, 'PostgreSQL server', 'PostgreSQL servers')} and a replica (fsync and synchronous_commit ` +
      `on), Redis, ${counted(apis, 'API process', 'API processes')} built for production. The tenant's plan is ENTERPRISE and rate ` +
      `limiting is off (ENABLE_RATE_LIMITING=false), because all load comes from one user.`,
  );
  const stopping = new AbortController();
  const stop = () => stopping.abort();
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(name, stop);
  const stack = await LocalStack.start({
    apis,
    workers: 0,
    servers,
    durable: true,
    environment: { ...unlimited, ...environment },
    note: say,
    abort: stopping.signal,
  });
  endWithProcess(stack);
  try {
    return await work(await withTenant(stack, plan.shard));
  } finally {
    await stack.stop();
  }
}

const counted = (n: number, one: string, several: string): string => `${n} ${n === 1 ? one : several}`;

interface CreatedTenant {
  readonly tenantId: string;
  readonly shard: string;
  readonly password: string;
}

async function withTenant(stack: LocalStack, shard: string | undefined): Promise<Run> {
  const email = 'owner@load.example';
  const named = ['--slug', slug, '--name', 'Load', '--plan', 'ENTERPRISE', '--owner-email', email];
  const printed = await stack.cli('tenants', 'create', ...named, ...(shard === undefined ? [] : ['--shard', shard]));
  const created = JSON.parse(printed.trim().split('\n').at(-1) ?? '') as CreatedTenant;
  const number = Number(/^shard-(\d+)$/.exec(created.shard)?.[1]);
  const shardUrl = stack.environment[`SHARD_${number}_URL`];
  if (shardUrl === undefined) throw new Error(`the stack has no ${created.shard}`);
  return {
    stack,
    tenantId: created.tenantId,
    credentials: { tenant: slug, email, password: created.password },
    server: number - 1,
    database: new URL(shardUrl).pathname.slice(1),
  };
}
