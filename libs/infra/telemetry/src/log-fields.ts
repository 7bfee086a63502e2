/**
 * The only fields that a log line may carry, each with the name it is written under (Elastic Common Schema where that
 * has one, `praxis.*` otherwise). Ids of patients and members, addresses of clients, free text and URLs are left out on
 * purpose: a line is joined to its people through the request id and the audit.
 */
const written = {
  requestId: 'http.request.id',
  traceId: 'trace.id',
  tenantId: 'organization.id',
  userId: 'user.id',
  sessionId: 'session.id',
  actorKind: 'praxis.actor_kind',
  plan: 'praxis.plan',
  app: 'service.node.role',
  component: 'praxis.component',
  context: 'log.logger',
  version: 'service.version',
  pid: 'process.pid',
  worker: 'praxis.worker',
  method: 'http.request.method',
  /** Route template such as `/api/v1/members/:id`; anything from `?` on is cut off. */
  route: 'http.route',
  status: 'http.response.status_code',
  durationMs: 'event.duration_ms',
  outcome: 'event.outcome',
  action: 'event.action',
  reason: 'event.reason',
  /** A fixed sentence of ours that tells an operator what to do. */
  hint: 'praxis.hint',
  code: 'error.code',
  kind: 'error.kind',
  host: 'server.address',
  port: 'server.port',
  signal: 'praxis.signal',
  exitCode: 'process.exit_code',
  name: 'praxis.name',
  role: 'praxis.role',
  state: 'praxis.state',
  from: 'praxis.from',
  to: 'praxis.to',
  operation: 'praxis.operation',
  shard: 'praxis.shard',
  database: 'praxis.database',
  replica: 'praxis.replica',
  table: 'praxis.table',
  migration: 'praxis.migration',
  epoch: 'praxis.epoch',
  queue: 'praxis.queue',
  job: 'praxis.job',
  jobId: 'praxis.job_id',
  schedule: 'praxis.schedule',
  attempt: 'praxis.attempt',
  attempts: 'praxis.attempts',
  topic: 'praxis.topic',
  fact: 'praxis.fact',
  factId: 'praxis.fact_id',
  room: 'praxis.room',
  channel: 'praxis.channel',
  policy: 'praxis.policy',
  limitClass: 'praxis.limit_class',
  strategy: 'praxis.strategy',
  tier: 'praxis.tier',
  breaker: 'praxis.breaker',
  check: 'praxis.check',
  metric: 'praxis.metric',
  resourceType: 'praxis.resource_type',
  appointmentId: 'praxis.appointment_id',
  locationId: 'praxis.location_id',
  serviceId: 'praxis.service_id',
  providerId: 'praxis.provider_id',
  keyId: 'praxis.key_id',
  moveId: 'praxis.move_id',
  outboxId: 'praxis.outbox_id',
  count: 'praxis.count',
  total: 'praxis.total',
  limit: 'praxis.limit',
  remaining: 'praxis.remaining',
  dropped: 'praxis.dropped',
  hits: 'praxis.hits',
  misses: 'praxis.misses',
  ratio: 'praxis.ratio',
  active: 'praxis.active',
  waiting: 'praxis.waiting',
  bytes: 'praxis.bytes',
  lagMs: 'praxis.lag_ms',
  lagBytes: 'praxis.lag_bytes',
  delayMs: 'praxis.delay_ms',
  waitMs: 'praxis.wait_ms',
  ageMs: 'praxis.age_ms',
  timeoutMs: 'praxis.timeout_ms',
  retryAfterMs: 'praxis.retry_after_ms',
} as const;

export type LogFieldName = keyof typeof written;
export type LogValue = string | number | boolean;

/** Values of allow-listed names; `undefined` is left out. Strings end at 200 characters. */
export type LogFields = { readonly [Name in LogFieldName]?: LogValue | undefined };

export const maxTextLength = 200;

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is removed
const controls = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g;

/** One line of at most `limit` characters without control characters. */
export const oneLine = (text: string, limit = maxTextLength): string =>
  text
    .slice(0, limit * 2)
    .replace(controls, ' ')
    .slice(0, limit);

const isListed = (name: string): name is LogFieldName => Object.hasOwn(written, name);

function cleaned(name: LogFieldName, value: unknown): LogValue | undefined {
  if (typeof value === 'boolean') return value;
  if (typeof value === 'number') return Number.isFinite(value) ? value : undefined;
  if (typeof value !== 'string') return undefined;
  return oneLine(name === 'route' ? (value.split('?', 1)[0] ?? '') : value);
}

/** The listed fields under their written names; every other name and every other type of value is dropped. */
export function writtenFields(fields: Readonly<Record<string, unknown>>): Record<string, LogValue> {
  const line: Record<string, LogValue> = {};
  for (const name of Object.keys(fields)) {
    if (!isListed(name)) continue;
    const value = cleaned(name, fields[name]);
    if (value !== undefined) line[written[name]] = value;
  }
  return line;
}

export const writtenName = (name: LogFieldName): string => written[name];

/** Characters that JSON writes as they are. */
const plain = /^[\x20\x21\x23-\x5b\x5d-\x7e]{0,200}$/;

/** One listed value as JSON, just as `writtenFields` would have it; undefined where that leaves it out. */
export function quotedValue(name: LogFieldName, value: LogValue): string | undefined {
  if (typeof value === 'string' && name !== 'route' && plain.test(value)) return `"${value}"`;
  if (typeof value === 'number') return Number.isFinite(value) ? String(value) : undefined;
  return JSON.stringify(cleaned(name, value));
}
