import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { parseConfig } from '#infra/config';
import { createLog, Metrics } from '#infra/telemetry';
import { HaproxyServer, openTestDatabases, projectRoot, stackHome, type TestDatabases } from '#infra/testing';
import { createApp } from '../apps/api/src/app.js';
import { apiSlices } from '../apps/api/src/settings.js';
import { GatewayProcess } from '../apps/websocket-gateway/src/gateway.js';
import { gatewaySlices } from '../apps/websocket-gateway/src/settings.js';
import { workerSlices } from '../apps/worker/src/settings.js';
import { WorkerProcess } from '../apps/worker/src/worker.js';
import { type Panel, readDashboards } from './deploy/dashboards.js';
import { groupedBy, metricsIn } from './deploy/metric-names.js';
import { runProgram } from './deploy/promtool.js';
import { recordedAs } from './deploy/rules.js';
import { readThresholds } from './deploy/thresholds.js';
import { monitoringFiles } from './deploy/write-rules.js';

const thresholds = readThresholds();
const panels: readonly Panel[] = Object.values(readDashboards()).flat(2);
const expressions = [
  ...Object.values(thresholds.measures).map(({ expr }) => expr),
  thresholds.slo.failed,
  thresholds.slo.all,
  ...panels.flatMap(({ ask }) => Object.values(ask)),
];
const windows = thresholds.slo.windows.flatMap(({ long, short }) => [long, short]);
const recorded = new Set([
  ...Object.keys(thresholds.measures).map(recordedAs),
  ...windows.map((window) => `praxis:edge_failure_ratio:${window}`),
]);

/** What Prometheus, node_exporter and redis_exporter themselves give. */
const foreign = /^(up|ALERTS|node_\w+|redis_memory_\w+)$/;
/** Prometheus adds them to every series. */
const added = ['instance', 'job', 'le', 'alertname', 'severity', 'alertstate', 'exported_job'];

/** Metric → labels of its series, from scrapes. A histogram stands under each of its three names. */
type Scraped = ReadonlyMap<string, ReadonlySet<string>>;

function readScrapes(texts: readonly string[]): Scraped {
  const found = new Map<string, Set<string>>();
  for (const line of texts.join('\n').split('\n')) {
    const [, name, kind] = /^# TYPE (\S+) (\S+)$/.exec(line) ?? [];
    const ends =
      kind === 'histogram' ? ['_bucket', '_sum', '_count'] : kind === 'summary' ? ['', '_sum', '_count'] : [''];
    if (name !== undefined) for (const end of ends) found.set(`${name}${end}`, found.get(`${name}${end}`) ?? new Set());
    const [, series = '', labels = ''] = /^(\w+)(?:\{(.*)\})? \S+$/.exec(line) ?? [];
    for (const [, label = ''] of labels.matchAll(/(\w+)="/g)) found.get(series)?.add(label);
  }
  return found;
}

let databases: TestDatabases;
let folder: string;
let scraped: Scraped;
const closing: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  databases = await openTestDatabases();
  folder = mkdtempSync(join(tmpdir(), 'metrics-'));
  const env = {
    ...databases.env,
    TOKEN_SIGNING_KEY: randomBytes(32).toString('base64'),
    DRAIN_WAIT: '0',
    WORKER_PORT: '0',
    WORKER_HOST: '127.0.0.1',
    GATEWAY_PORT: '0',
    GATEWAY_HOST: '127.0.0.1',
    // A provider that nobody asks here.
    SMTP_URL: 'smtp://127.0.0.1:1',
    MAIL_FROM: 'Clinic <clinic@praxis.example>',
    APP_URL: 'https://clinic.example',
  };
  const identity = (app: string) => ({ app, version: '0' });
  const log = createLog({ level: 'silent', service: 'praxis' }, identity('test'));
  const api = await createApp(parseConfig(apiSlices, env), { log });
  closing.push(() => api.close());
  const worker = await WorkerProcess.start(parseConfig(workerSlices, env), identity('worker'), log);
  closing.push(() => worker.stop());
  const gateway = await GatewayProcess.start(parseConfig(gatewaySlices, env), identity('websocket-gateway'), log);
  closing.push(() => gateway.stop());
  const edge = await HaproxyServer.start({ home: stackHome(), folder, apis: [{ port: worker.port }], gateways: [] });
  closing.push(() => edge.stop());
  const atEdge = await (await fetch(`${edge.statsUrl}/metrics`)).text();
  scraped = readScrapes([await afterRequests(api), ...(await bodies(worker.metrics, gateway.metrics)), atEdge]);
}, 60_000);
afterAll(async () => {
  for (const close of closing.reverse()) await close();
  await databases.close();
  rmSync(folder, { recursive: true });
});

const bodies = (...metrics: readonly Metrics[]): Promise<string[]> =>
  Promise.all(metrics.map(async (one) => (await one.expose()).body));

/** What Prometheus sees of an api that has had work. */
async function afterRequests(api: Awaited<ReturnType<typeof createApp>>): Promise<string> {
  await api.getHttpAdapter().getInstance().ready();
  for (const url of ['/health/ready', '/api/v1/users', '/nowhere']) await api.inject({ method: 'GET', url });
  return (await api.inject({ method: 'GET', url: '/metrics' })).body;
}

/** What promtool says of these as rules of their own. */
function checkedRules(rules: readonly { readonly record: string; readonly expr: string }[]) {
  const path = join(folder, 'panels.yml');
  writeFileSync(path, stringify({ groups: [{ name: 'panels', rules }] }));
  return runProgram('promtool', ['check', 'rules', path]);
}
/** Metrics nobody gives. */
const unknownIn = (asked: readonly string[]): readonly string[] =>
  asked
    .flatMap(metricsIn)
    .map(({ name }) => name)
    .filter((name) => !recorded.has(name) && !foreign.test(name) && !scraped.has(name));
/** Code in a page that begins as a question to Prometheus does. */
const isQuestion = (code: string): boolean =>
  /^(praxis:|sum|rate|topk|(db|http|cache|redis|jobs?|outbox|facts|sockets?|cluster|identity|nodejs|process|haproxy|node|rate_limit)_[a-z])/.test(
    code,
  );

describe('What Prometheus asks for', () => {
  it('[A-008] [D-053] is there: every metric in a rule, and Prometheus takes rules and configuration', () => {
    expect(unknownIn(expressions)).toEqual([]);
    expect(scraped.size).toBeGreaterThan(100);
    expect(runProgram('promtool', ['check', 'rules', 'deploy/prometheus/rules.yml'])).toMatchObject({ status: 0 });
    expect(runProgram('promtool', ['check', 'config', 'deploy/prometheus/prometheus.yml'])).toMatchObject({
      status: 0,
    });
  });

  it('has the labels that are asked for, where there is a series already', () => {
    const wrong = expressions.flatMap((expression) => {
      const asked = metricsIn(expression);
      const known = asked.flatMap(({ name }) => [...(scraped.get(name) ?? [])]);
      const matched = asked.flatMap(({ name, labels }) => {
        const own = scraped.get(name);
        return own && own.size > 0 ? labels.filter((label) => !own.has(label) && !added.includes(label)) : [];
      });
      const canTell = asked.every(({ name }) => (scraped.get(name)?.size ?? 0) > 0);
      const grouped = canTell ? groupedBy(expression).filter((label) => ![...known, ...added].includes(label)) : [];
      return [...matched, ...grouped].map((label) => `${label} in ${expression}`);
    });
    expect(wrong).toEqual([]);
  });

  it('would be missed: a name that nobody gives, a label that nobody sets', () => {
    expect(metricsIn('sum by (a, b) (rate(http_request_total{status=~"5..",app="x"}[5m] offset 1h)) > bool 2')).toEqual(
      [{ name: 'http_request_total', labels: ['status', 'app'] }],
    );
    expect(scraped.has('http_request_total')).toBe(false);
    expect([...(scraped.get('http_requests_total') ?? [])]).toEqual(['app', 'method', 'route', 'status']);
    expect([...(scraped.get('haproxy_sticktable_used') ?? [])]).toContain('name');
    expect([...(scraped.get('haproxy_frontend_http_responses_total') ?? [])]).toEqual(['proxy', 'code']);
    expect([...(scraped.get('haproxy_backend_active_servers') ?? [])]).toEqual(['proxy']);
  });

  it('[C-113] has the machine’s disks: space has an alert and a panel, reading and writing a panel', () => {
    const config = readFileSync(join(projectRoot(), 'deploy/prometheus/prometheus.yml'), 'utf8');
    expect(config).toMatch(/job_name: node_exporter\n.*node-exporter:9100/);
    expect(thresholds.measures.disk_use?.expr).toContain('node_filesystem_avail_bytes');
    expect(thresholds.alerts.some(({ measure }) => measure === 'disk_use')).toBe(true);
    const asked = panels.flatMap(({ ask }) => Object.values(ask));
    expect(asked).toContain('praxis:disk_use');
    expect(asked.filter((expr) => /node_disk_(read|written)_bytes_total/.test(expr))).toHaveLength(2);
  });
});

describe('Grafana', () => {
  const files = monitoringFiles();
  const dashboards = Object.keys(files).filter((path) => path.startsWith('deploy/grafana/dashboards/'));

  it('[D-054] shows only what is there: each expression is one that Prometheus understands, each metric one that it gets', () => {
    expect(readdirSync(join(projectRoot(), 'deploy/grafana/dashboards')).sort()).toEqual(
      dashboards.map((path) => path.slice(path.lastIndexOf('/') + 1)).sort(),
    );
    const asked = dashboards.flatMap((path) =>
      (JSON.parse(readFileSync(join(projectRoot(), path), 'utf8')).panels as { targets: { expr: string }[] }[]).flatMap(
        ({ targets }) => targets.map(({ expr }) => expr),
      ),
    );
    expect(asked.length).toBeGreaterThan(40);
    const rules = asked.map((expr, n) => ({ record: `panel:${n}`, expr }));
    expect(checkedRules(rules)).toMatchObject({
      status: 0,
      said: expect.stringContaining(`${asked.length} rules found`),
    });
    expect(checkedRules([...rules, { record: 'panel:x', expr: 'sum(rate(up[5m])' }]).status).not.toBe(0);
    expect(unknownIn(asked)).toEqual([]);
  });

  it('is provided with Prometheus and the folder of dashboards, under the names that they use', () => {
    const read = (path: string) => readFileSync(join(projectRoot(), 'deploy/grafana/provisioning', path), 'utf8');
    const [, uid] = /uid: (\S+)/.exec(read('datasources/prometheus.yml')) ?? [];
    for (const path of dashboards) expect(files[path]).toContain(`"uid": "${uid}"`);
    expect(read('dashboards/praxis.yml')).toContain('path: /etc/grafana/dashboards');
    const compose = readFileSync(join(projectRoot(), 'docker-compose.production.yml'), 'utf8');
    expect(compose).toContain('./deploy/grafana/dashboards:/etc/grafana/dashboards:ro');
    expect(compose).toContain('./deploy/grafana/provisioning:/etc/grafana/provisioning:ro');
  });
});

describe('The runbook', () => {
  const home = join(projectRoot(), 'docs/runbook');

  it('names no metric that is not there', () => {
    const codes = readdirSync(home)
      .flatMap((page) => [...readFileSync(join(home, page), 'utf8').matchAll(/`([^`\n]+)`/g)])
      .map(([, code = '']) => code)
      .filter((code) => isQuestion(code) && code !== 'praxis:…');
    expect(codes.length).toBeGreaterThan(50);
    // Of a process that has workers, which a container’s has not.
    const crew = readFileSync(join(projectRoot(), 'libs/infra/processes/src/crew-metrics.ts'), 'utf8');
    expect(unknownIn(codes).filter((name) => !crew.includes(`'${name}'`))).toEqual([]);
  });
});
