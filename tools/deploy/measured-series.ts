import { type InputSeries, sampleS } from './promtool.js';

/** What a test lets Prometheus see, so that a measure has a value from the beginning to the end. */
type SeriesFor = (value: number) => readonly InputSeries[];

/** 45 minutes: more than any course of these. */
const samples = 90;
const steady = (value: number, from = 0): string => `${from === 0 ? '' : `_x${from} `}${value}+0x${samples}`;
const rising = (perSecond: number): string => `0+${perSecond * sampleS}x${samples}`;
const series = (name: string, values: string): InputSeries => ({ series: name, values });

const route = 'method="GET",route="/api/v1/members/:id"';
const cacheReads = (strategy: string, missRatio: number): readonly InputSeries[] => [
  series(
    `cache_requests_total{instance="api-1",strategy="${strategy}",tier="memory",result="hit"}`,
    rising(10 * (1 - missRatio)),
  ),
  series(
    `cache_requests_total{instance="api-1",strategy="${strategy}",tier="memory",result="miss"}`,
    rising(10 * missRatio),
  ),
  series(
    `cache_requests_total{instance="api-1",strategy="${strategy}",tier="redis",result="miss"}`,
    rising(10 * missRatio),
  ),
  series(
    `cache_requests_total{instance="api-1",strategy="${strategy}",tier="source",result="loaded"}`,
    rising(10 * missRatio),
  ),
];
const answers = (status: string, perSecond: number, path = '/api/v1/members/:id'): InputSeries =>
  series(
    `http_requests_total{instance="api-1",app="api",method="GET",route="${path}",status="${status}"}`,
    rising(perSecond),
  );

/** The bounds of http_request_duration_seconds. */
const boundsS = [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const answersPerSecond = 1_000;

/** A histogram whose p95 Prometheus puts at `seconds`: it draws a straight line through the bucket that holds it. */
function answersWithP95(seconds: number, labels = route): readonly InputSeries[] {
  const upper = boundsS.findIndex((bound) => seconds <= bound);
  const [low, high] = [boundsS[upper - 1] ?? 0, boundsS[upper] ?? Number.NaN];
  const share = (seconds - low) / (high - low);
  const rank = 0.95 * answersPerSecond;
  // Above 0.95 of the bucket, some answers must lie above it.
  const below = share < 0.95 ? (rank - share * answersPerSecond) / (1 - share) : 0;
  const upTo = share < 0.95 ? answersPerSecond : rank / share;
  const countOf = (n: number): number => (n < upper ? below : n === upper ? upTo : answersPerSecond);
  const of = `instance="api-1",app="api",${labels},status_class="2xx"`;
  return [...boundsS, '+Inf'].map((le, n) =>
    series(`http_request_duration_seconds_bucket{${of},le="${le}"}`, rising(countOf(n))),
  );
}

/** Of every measure that an alert is about. Beside what is meant stands what must not count. */
export const seriesOf: Readonly<Record<string, SeriesFor>> = {
  cpu_use: (value) => [
    series('node_cpu_seconds_total{instance="node-exporter:9100",cpu="0",mode="idle"}', rising(1 - value)),
    series('node_cpu_seconds_total{instance="node-exporter:9100",cpu="0",mode="user"}', rising(value)),
    series('node_cpu_seconds_total{instance="node-exporter:9100",cpu="1",mode="idle"}', rising(1 - value)),
    series('node_cpu_seconds_total{instance="node-exporter:9100",cpu="1",mode="user"}', rising(value)),
  ],
  memory_use: (value) => [
    series('node_memory_MemTotal_bytes{instance="node-exporter:9100"}', steady(1_000_000)),
    series('node_memory_MemAvailable_bytes{instance="node-exporter:9100"}', steady(1_000_000 * (1 - value))),
  ],
  disk_use: (value) => [
    series('node_filesystem_size_bytes{mountpoint="/",fstype="ext4"}', steady(1_000_000)),
    series('node_filesystem_avail_bytes{mountpoint="/",fstype="ext4"}', steady(1_000_000 * (1 - value))),
    series('node_filesystem_size_bytes{mountpoint="/tmp",fstype="tmpfs"}', steady(1_000)),
    series('node_filesystem_avail_bytes{mountpoint="/tmp",fstype="tmpfs"}', steady(0)),
  ],
  pool_use: (value) => [
    series('db_pool_connections{instance="api-1",shard="shard-1",role="primary",state="active"}', steady(value * 20)),
    series(
      'db_pool_connections{instance="api-1",shard="shard-1",role="primary",state="idle"}',
      steady((1 - value) * 20),
    ),
    series('db_pool_connections{instance="api-1",shard="shard-1",role="primary",state="waiting"}', steady(500)),
    series('db_pool_connections_max{instance="api-1",shard="shard-1",role="primary"}', steady(20)),
    series('db_pool_connections{instance="api-1",shard="shard-1",role="replica-1",state="active"}', steady(0)),
    series('db_pool_connections_max{instance="api-1",shard="shard-1",role="replica-1"}', steady(30)),
  ],
  db_latency_seconds: (value) => [
    series('db_probe_seconds{instance="api-1",shard="shard-1"}', steady(value)),
    series('db_probe_seconds{instance="api-2",shard="shard-1"}', steady(0.001)),
  ],
  db_down: (value) => [
    series('db_up{instance="api-1",shard="shard-1"}', steady(1 - value)),
    series('db_up{instance="api-2",shard="shard-1"}', steady(1)),
  ],
  replica_lag_seconds: (value) => [
    series('db_replica_lag_seconds{instance="api-1",shard="shard-1",role="replica-1"}', steady(value)),
    series('db_replica_lag_seconds{instance="api-1",shard="shard-1",role="replica-2"}', steady(0.1)),
  ],
  replica_out: (value) => [
    series('db_replica_in_rotation{instance="api-1",shard="shard-1",role="replica-1"}', steady(1 - value)),
    series('db_replica_in_rotation{instance="api-2",shard="shard-1",role="replica-1"}', steady(1)),
  ],
  redis_node_down: (value) => [
    series('redis_node_up{instance="api-1",role="cache",node="redis-cache:6379"}', steady(1 - value)),
    series('redis_node_up{instance="api-1",role="queues",node="redis-queue:6379"}', steady(1)),
  ],
  // What is not critical misses always.
  cache_miss_ratio: (value) => [...cacheReads('memberData', value), ...cacheReads('general', 1)],
  cache_miss_ratio_overall: (value) => cacheReads('general', value),
  http_average_seconds: (value) => [
    series(
      `http_request_duration_seconds_sum{instance="api-1",app="api",${route},status_class="2xx"}`,
      rising(10 * value),
    ),
    series(`http_request_duration_seconds_count{instance="api-1",app="api",${route},status_class="2xx"}`, rising(10)),
    series(
      'http_request_duration_seconds_sum{instance="api-1",app="api",method="GET",route="/health/ready",status_class="2xx"}',
      rising(0.1),
    ),
    series(
      'http_request_duration_seconds_count{instance="api-1",app="api",method="GET",route="/health/ready",status_class="2xx"}',
      rising(100),
    ),
  ],
  http_p95_seconds: (value) => [
    ...answersWithP95(value),
    ...answersWithP95(0.001, 'method="GET",route="/health/ready"'),
  ],
  http_route_p95_seconds: (value) => [
    ...answersWithP95(value),
    ...answersWithP95(0.001, 'method="GET",route="/api/v1/services"'),
  ],
  http_error_ratio: (value) => [
    answers('500', 1_000 * value),
    answers('200', 1_000 * (1 - value)),
    answers('503', 1_000, '/health/ready'),
  ],
  http_refusal_ratio: (value) => [
    answers('429', 1_000 * value),
    answers('200', 1_000 * (1 - value)),
    answers('200', 1_000, '/health/ready'),
  ],
  request_queue_use: (value) => [
    series('admission_queue_length{instance="api-1",door="requests",importance="critical"}', steady(value * 500)),
    series('admission_queue_length{instance="api-1",door="requests",importance="normal"}', steady(value * 1_500)),
    series('admission_queue_max{instance="api-1",door="requests"}', steady(2_000)),
    series('admission_queue_length{instance="api-2",door="requests",importance="normal"}', steady(0)),
    series('admission_queue_max{instance="api-2",door="requests"}', steady(2_000)),
  ],
  provider_away: (value) => [
    series('provider_breaker_open{instance="worker-1",provider="smtp"}', steady(value)),
    series('provider_breaker_open{instance="worker-2",provider="smtp"}', steady(0)),
  ],
  outbox_lag_seconds: (value) => [series('outbox_lag_seconds{instance="worker-1",database="shard-1"}', steady(value))],
  facts_age_seconds: (value) => [
    series('facts_unpublished_age_seconds{instance="worker-1",database="shard-1"}', steady(value)),
  ],
  // The first one ever: its counter was not there before.
  jobs_given_up: (value) => [
    series('jobs_given_up_total{instance="worker-1",exported_job="mail.send",outcome="dead"}', steady(value, 1)),
    series('jobs_given_up_total{instance="worker-1",exported_job="mail.send",outcome="discarded"}', steady(7, 1)),
  ],
  target_down: (value) => [series('up{job="api",instance="172.30.80.3:3000"}', steady(1 - value))],
  service_gone: (value) => [
    series('up{job="api",instance="172.30.80.3:3000"}', value === 0 ? steady(1) : '1 stale'),
    series('up{job="worker",instance="172.30.90.7:3100"}', steady(1)),
  ],
  edge_backend_empty: (value) => [
    series('haproxy_backend_active_servers{proxy="api"}', steady(3 * (1 - value))),
    series('haproxy_backend_active_servers{proxy="websocket"}', steady(2)),
    series('haproxy_backend_active_servers{proxy="per_source"}', steady(0)),
  ],
};
