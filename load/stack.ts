import { endWithProcess, LocalStack, type PostgresServer, type StackPlan } from '#infra/testing';
import type { Credentials } from './api-client.js';
import { say } from './report.js';

export interface RunPlan {
  readonly apis: number;
  /** None unless said otherwise. */
  readonly gateways?: number;
  /** None unless said otherwise. */
  readonly workers?: number;
  /** HAProxy before apis and gateways. */
  readonly proxy?: boolean;
  /** PostgreSQL servers, one shard on each. */
  readonly servers: number;
  /** Shards on other servers, after those. */
  readonly furtherShards?: StackPlan['furtherShards'];
  /** Where the tenant lives; chosen by the product unless said. */
  readonly shard?: string;
  /** A tenant more on each of these shards. */
  readonly furtherTenants?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  /** Servers know when each transaction was committed; false unless said otherwise. */
  readonly commitTimes?: boolean;
}

export interface RunTenant {
  readonly tenantId: string;
  readonly credentials: Credentials;
  /** Index into `stack.cluster.servers` of the server that holds the tenant. */
  readonly server: number;
  /** The tenant's database there. */
  readonly database: string;
}

/** What runs while `work` runs: the stack and its first tenant. */
export interface Run extends RunTenant {
  readonly stack: LocalStack;
  /** All of them, the first one first. */
  readonly tenants: readonly RunTenant[];
}

/** Limits that count one caller's requests would end a run by one user within its first second. */
const unlimited = { ENABLE_RATE_LIMITING: 'false', ACCESS_TOKEN_TTL: '900000' };
const slug = 'load';

/** A stack on free ports with data of its own that survives crashes, and its tenants; all are gone afterwards. */
export async function onOwnStack<T>(plan: RunPlan, work: (run: Run) => Promise<T>): Promise<T> {
  say(
    `Starting a stack of its own: ${described(plan)}. ${
      (plan.furtherTenants ?? []).length === 0 ? 'The tenant’s plan is' : 'The tenants’ plans are'
    } ENTERPRISE and rate limiting is off (ENABLE_RATE_LIMITING=false), because all load comes from few users.`,
  );
  const {
    apis,
    gateways = 0,
    workers = 0,
    proxy = false,
    servers,
    commitTimes = false,
    environment,
    furtherShards,
  } = plan;
  const stopping = new AbortController();
  const stop = () => stopping.abort();
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(name, stop);
  const stack = await LocalStack.start({
    ...{ apis, gateways, workers, proxy, servers },
    ...(furtherShards === undefined ? {} : { furtherShards }),
    ...(commitTimes ? { postgres: { track_commit_timestamp: 'on' } } : {}),
    durable: true,
    environment: { ...unlimited, ...environment },
    note: say,
    abort: stopping.signal,
  });
  endWithProcess(stack);
  try {
    return await work(await withTenants(stack, plan));
  } finally {
    await stack.stop();
  }
}

function described({ apis, gateways = 0, workers = 0, proxy = false, servers }: RunPlan): string {
  const processes = [
    counted(apis, 'API process', 'API processes'),
    ...(gateways === 0 ? [] : [counted(gateways, 'gateway', 'gateways')]),
    ...(workers === 0 ? [] : [counted(workers, 'worker', 'workers')]),
  ];
  return (
    `${counted(servers, 'PostgreSQL server', 'PostgreSQL servers')} and a replica (fsync and synchronous_commit on), ` +
    `Redis, ${processes.join(', ')} built for production${proxy ? ', HAProxy before them' : ''}`
  );
}

const counted = (n: number, one: string, several: string): string => `${n} ${n === 1 ? one : several}`;

async function withTenants(stack: LocalStack, { shard, furtherTenants = [] }: RunPlan): Promise<Run> {
  const first = await newTenant(stack, slug, shard);
  const tenants = [first];
  for (const [n, each] of furtherTenants.entries()) tenants.push(await newTenant(stack, `${slug}-${n + 2}`, each));
  return { stack, tenants, ...first };
}

interface CreatedTenant {
  readonly tenantId: string;
  readonly shard: string;
  readonly password: string;
}

async function newTenant(stack: LocalStack, named: string, shard: string | undefined): Promise<RunTenant> {
  const email = `owner@${named}.example`;
  const asked = ['--slug', named, '--name', 'Load', '--plan', 'ENTERPRISE', '--owner-email', email];
  const printed = await stack.cli('tenants', 'create', ...asked, ...(shard === undefined ? [] : ['--shard', shard]));
  const created = JSON.parse(printed.trim().split('\n').at(-1) ?? '') as CreatedTenant;
  const number = Number(/^shard-(\d+)$/.exec(created.shard)?.[1]);
  const shardUrl = stack.environment[`SHARD_${number}_URL`];
  if (shardUrl === undefined) throw new Error(`the stack has no ${created.shard}`);
  return {
    tenantId: created.tenantId,
    credentials: { tenant: named, email, password: created.password },
    server: number - 1,
    database: new URL(shardUrl).pathname.slice(1),
  };
}

export function postgresOf({ stack, server }: Pick<Run, 'stack' | 'server'>): PostgresServer {
  const postgres = stack.cluster.servers[server];
  if (postgres === undefined) throw new Error(`there is no server ${server}`);
  return postgres;
}
