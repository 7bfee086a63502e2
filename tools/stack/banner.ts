import type { LocalStack } from '#infra/testing';
import { curlLine, type Example, loginLine, type SeedReport } from './seed-report.js';

const rule = '─'.repeat(100);

/** What a newcomer needs at the terminal: where things answer, who may log in, what to try first. */
export function banner(stack: LocalStack, seed: SeedReport, readySeconds: number): string {
  const api = stack.url;
  return [
    '',
    rule,
    `Praxis is ready after ${readySeconds.toFixed(1)} s. Ctrl-C drains and stops it; the data stays until \`npm run reset\`.`,
    '',
    ...section('Open', urls(stack)),
    ...(stack.proxy === undefined ? [] : section('Inside', processesOf(stack))),
    ...section(
      'Log in',
      seed.logins.map(({ role, tenant, email, password }) => [role, `${email}  ${password}  (tenant ${tenant})`]),
    ),
    ...(seed.ids === undefined ? [] : section('Ids', Object.entries(seed.ids))),
    ...section('Connect', connections(stack)),
    'Try, in this folder: log in first',
    `  ${loginLine(api, seed.login)}`,
    ...seed.examples.flatMap((example) => tried(api, example)),
    '  # and hear of all of it live, in another terminal',
    `  ${listenLine(seed)}`,
    rule,
    '',
  ].join('\n');
}

const tried = (api: string, example: Example): string[] => [
  ...(example.says === '' ? [] : [`  # ${example.says}`]),
  `  ${curlLine(api, example)}`,
];

function listenLine({ logins: [login] }: SeedReport): string {
  if (login === undefined) throw new Error('nobody can log in');
  const { password, tenant, email } = login;
  return `echo ${password} | npm run -s praxis -- listen --tenant ${tenant} --email ${email} --password-stdin`;
}

type Row = readonly [string, string];

function section(title: string, rows: readonly Row[]): string[] {
  const width = Math.max(...rows.map(([name]) => name.length));
  return [title, ...rows.map(([name, value]) => `  ${name.padEnd(width)}  ${value}`), ''];
}

function urls(stack: LocalStack): Row[] {
  const { url: api, proxy, gateways, workers } = stack;
  const sockets = proxy?.url ?? gateways[0]?.url;
  const worker = workers[0]?.url;
  return [
    ['API', `${api}/api/v1`],
    ['reference', `${api}/docs`],
    ['OpenAPI', `${api}/openapi.json`],
    ['health', `${api}/health/ready`],
    ...(sockets === undefined ? [] : [['sockets', `${sockets}  Socket.IO, websocket only`] as const]),
    ...(proxy === undefined ? [['metrics', `${api}/metrics`] as const] : [['HTTPS', proxy.httpsUrl] as const]),
    ...(proxy === undefined && worker !== undefined ? [['worker', `${worker}/health/ready`] as const] : []),
  ];
}

/** Each process with the page that says whether it is ready; its metrics are at /metrics beside it. */
function processesOf({ apps, proxy }: LocalStack): Row[] {
  const edge: Row[] = proxy === undefined ? [] : [['edge', `${proxy.statsUrl}/stats`]];
  return [...edge, ...apps.map(({ name, url }): Row => [name, `${url}/health/ready`])];
}

/** As the application: without a tenant, row-level security shows no rows. As postgres: everything. */
function connections({ cluster, environment }: LocalStack): Row[] {
  const names = [
    'DIRECTORY_URL',
    ...cluster.servers.map((_, n) => `SHARD_${n + 1}_URL`),
    'SHARD_1_REPLICAS',
    'REDIS_URL',
    'REDIS_CLUSTER_NODES',
    'REDIS_PASSWORD',
  ];
  const rows = names.flatMap((name): Row[] => {
    const value = environment[name];
    return value === undefined ? [] : [[labelOf(name), value]];
  });
  const password = cluster.servers[0]?.superuser.password;
  const note: Row = [
    '',
    `row-level security shows no rows without a tenant; user postgres, password ${password}, sees all`,
  ];
  return [...rows, note];
}

const labelOf = (name: string): string =>
  name.toLowerCase().replace('shard_1_replicas', 'shard 1 replica').replace(/_url$/, '').replaceAll('_', ' ');
