import { HttpMetrics } from './http-metrics.js';
import { createLog } from './log.js';
import { Metrics } from './metrics.js';

const identity = { app: 'api', version: '1.2.3' };

function start(options: { readonly monitoring?: boolean; readonly maxSeries?: number } = {}) {
  const lines: string[] = [];
  const to = { write: (line: string) => void lines.push(line) };
  const log = createLog({ level: 'info', service: 'praxis' }, { ...identity, to });
  const config = { monitoring: options.monitoring ?? true, service: 'praxis' };
  const metrics = new Metrics({ config, identity, log, maxSeries: options.maxSeries ?? 5_000 });
  const body = async () => (await metrics.expose()).body;
  return { metrics, lines, body };
}

describe('metrics', () => {
  it('[C-110] include CPU, memory and event loop delay of the process, and say which program it is', async () => {
    const { metrics, body } = start();
    const exposed = await body();
    for (const name of ['process_cpu_seconds_total', 'process_resident_memory_bytes', 'nodejs_heap_size_used_bytes'])
      expect(exposed).toMatch(new RegExp(`^${name} [0-9.e+]+$`, 'm'));
    expect(exposed).toMatch(/^nodejs_eventloop_lag_p99_seconds /m);
    expect(exposed).toContain('app_info{service="praxis",app="api",version="1.2.3"} 1');
    expect((await metrics.expose()).contentType).toContain('text/plain');
  });

  it('give the same instrument for the same name, and refuse a name that is already of another kind', async () => {
    const { metrics, body } = start();
    metrics.counter('things_total', 'Things.', ['kind']).inc({ kind: 'a' });
    metrics.counter('things_total', 'Things.', ['kind']).inc({ kind: 'a' }, 2);
    expect(await body()).toContain('things_total{kind="a"} 3');
    expect(() => metrics.gauge('things_total', 'Things.')).toThrow('already a counter');
  });

  it('hold no more series than the budget, keep counting the old ones, and say so once', async () => {
    const { metrics, lines, body } = start({ maxSeries: 101 });
    const counter = metrics.counter('ids_total', 'Ids.', ['id']);
    for (let id = 0; id < 10_000; id += 1) counter.inc({ id: String(id) });
    counter.inc({ id: '7' });
    const exposed = await body();
    expect(exposed.match(/^ids_total\{/gm)).toHaveLength(100);
    expect(exposed).toContain('ids_total{id="7"} 2');
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain('"praxis.metric":"ids_total"');
  });

  it('count a histogram as all of its series', async () => {
    const { metrics, body } = start({ maxSeries: 31 });
    const histogram = metrics.histogram('wait_seconds', 'Wait.', ['of']);
    for (const name of ['a', 'b', 'c']) histogram.observe({ of: name }, 0.003);
    const exposed = await body();
    expect(exposed.match(/^wait_seconds_\w+\{/gm)).toHaveLength(2 * 15);
    expect(exposed).toContain('wait_seconds_bucket{le="0.005",of="a"} 1');
  });

  it('measure an observed gauge at each scrape and forget what is gone', async () => {
    const { metrics, body } = start({ maxSeries: 3 });
    let roles = ['cache', 'queues'];
    metrics.observedGauge('up', 'Up.', ['role'], () => roles.map((role) => ({ labels: { role }, value: 1 })));
    expect((await body()).match(/^up\{/gm)).toHaveLength(2);
    roles = ['limits'];
    expect(await body()).toContain('up{role="limits"} 1');
    expect((await body()).match(/^up\{/gm)).toHaveLength(1);
    roles = ['1', '2', '3'];
    expect((await body()).match(/^up\{/gm)).toBeNull();
  });

  it('record nothing and expose nothing when monitoring is off', async () => {
    const { metrics, body } = start({ monitoring: false });
    new HttpMetrics(metrics, 'api').route('GET', '/').ended(200, 1);
    metrics.observedGauge('up', 'Up.', [], () => [{ labels: {}, value: 1 }]);
    expect(metrics.enabled).toBe(false);
    expect((await body()).trim()).toBe('');
  });
});

describe('metrics of requests', () => {
  it('rise by exactly the requests made, with method, route template and status', async () => {
    const { metrics, body } = start();
    const http = new HttpMetrics(metrics, 'api');
    const route = '/api/v1/members/:id';
    for (let n = 0; n < 7; n += 1) {
      http.started();
      http.route('GET', route).ended(200, 8);
    }
    http.started();
    http.started();
    http.route('BREW', route).ended(503, 20_000);
    const exposed = await body();
    expect(exposed).toContain(`http_requests_total{app="api",method="GET",route="${route}",status="200"} 7`);
    expect(exposed).toContain(`http_requests_total{app="api",method="OTHER",route="${route}",status="503"} 1`);
    expect(exposed).toContain('http_requests_in_flight{app="api"} 1');
    const of = `app="api",method="GET",route="${route}",status_class="2xx"`;
    expect(exposed).toContain(`http_request_duration_seconds_bucket{le="0.005",${of}} 0`);
    expect(exposed).toContain(`http_request_duration_seconds_bucket{le="0.01",${of}} 7`);
    expect(exposed.match(/^http_request_duration_seconds_bucket.*GET/gm)).toHaveLength(12 + 1);
  });
});
