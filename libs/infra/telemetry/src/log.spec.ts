import fc from 'fast-check';
import { defineErrors, FixedClock } from '#infra/kernel';
import { createLog, type LogEntry } from './log.js';
import { runWithLogFields } from './log-context.js';

const fail = defineErrors({ 'thing.gone': { kind: 'internal', public: 'Something went wrong.' } });

function listen(level: 'debug' | 'info' | 'warn' = 'debug') {
  const lines: string[] = [];
  const clock = new FixedClock(Date.UTC(2026, 10, 2, 9, 30));
  const to = { write: (line: string) => void lines.push(line) };
  const log = createLog({ level, service: 'praxis' }, { app: 'api', version: '1.2.3', clock, to });
  const only = () => JSON.parse(lines[0] ?? '{}') as Record<string, unknown>;
  return { log, lines, only };
}

/** Entries as careless code might make them, past the compiler. */
const careless = (fields: Record<string, unknown>) => fields as LogEntry;

describe('a log line', () => {
  it('is one JSON object with ECS names, the event as its message and the clock’s instant', () => {
    const { log, lines, only } = listen();
    log.info('request.done', { requestId: 'r-1', route: '/api/v1/members/:id', status: 200, durationMs: 12.5 });
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(/^\{[^\n]*\}\n$/);
    expect(only()).toEqual({
      'log.level': 'info',
      '@timestamp': '2026-11-02T09:30:00.000Z',
      'service.name': 'praxis',
      'service.node.role': 'api',
      'service.version': '1.2.3',
      'process.pid': process.pid,
      'http.request.id': 'r-1',
      'http.route': '/api/v1/members/:id',
      'http.response.status_code': 200,
      'event.duration_ms': 12.5,
      message: 'request.done',
    });
  });

  it('drops names that are not on the list and values that are not scalars', () => {
    const { log, lines } = listen();
    const entry = {
      body: 'Lovelace',
      email: 'lovelace@example.org',
      name: { first: 'Lovelace' },
      reason: ['Lovelace'],
      count: NaN,
    };
    log.warn('a.b', careless(entry));
    expect(lines.join('')).not.toMatch(/lovelace/i);
    expect(lines.join('')).not.toContain('praxis.');
  });

  it('does not take inherited names of objects for listed fields', () => {
    const { log, lines } = listen();
    log.info('a.b', careless({ constructor: 'Lovelace', toString: 'Lovelace', __proto__: 'Lovelace' }));
    expect(lines.join('')).not.toContain('Lovelace');
  });

  it('cuts strings at 200 characters, removes control characters and the query of a route', () => {
    const { log, only } = listen();
    log.info('a.b', { hint: `one\r\ntwo\u001b[31m\u2028${'x'.repeat(500)}`, route: '/patients?name=Lovelace' });
    expect(only()['praxis.hint']).toHaveLength(200);
    expect(only()['praxis.hint']).toMatch(/^one two \[31m x+$/);
    expect(only()['http.route']).toBe('/patients');
  });

  it('below the level is not written', () => {
    const { log, lines } = listen('warn');
    log.info('a.b');
    log.debug('a.b');
    log.warn('a.b');
    expect(lines).toHaveLength(1);
  });

  it('carries the fields of a child and of the surrounding work, the nearest winning, each name once', async () => {
    const { log, lines } = listen();
    await runWithLogFields({ requestId: 'r-1', tenantId: 't-1' }, () =>
      runWithLogFields({ requestId: 'r-2' }, async () => {
        await Promise.resolve();
        log.child({ queue: 'cards', tenantId: 't-0' }).info('job.done', { job: 'print' });
      }),
    );
    expect(lines[0]?.match(/"http\.request\.id"/g)).toHaveLength(1);
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({
      'http.request.id': 'r-2',
      'organization.id': 't-1',
      'praxis.queue': 'cards',
      'praxis.job': 'print',
    });
    log.info('a.b');
    expect(lines[1]).not.toContain('r-2');
  });
});

describe('a prepared line', () => {
  const value = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 250 }),
    fc.double(),
    fc.boolean(),
    fc.constant(undefined),
  );

  it('is the line that the same fields give otherwise', () => {
    const { log, lines } = listen();
    const names = ['requestId', 'status', 'durationMs', 'code', 'route'] as const;
    const fields = fc.record({ requestId: value, status: value, durationMs: value, code: value, route: value });
    fc.assert(
      fc.property(value, value, fields, (method, hint, varying) => {
        lines.length = 0;
        const worker = log.child({ worker: 3 });
        worker.info('request.done', { method, hint, ...varying });
        worker.prepared('request.done', { method, hint }, names)(varying);
        expect(JSON.parse(lines[1]!)).toEqual(JSON.parse(lines[0]!));
        expect(lines[1]).toMatch(/^\{[^\n]*\}\n$/);
      }),
    );
  });

  it('below the level is not written', () => {
    const { log, lines } = listen('warn');
    log.prepared('request.done', {}, ['status'])({ status: 200 });
    expect(lines).toEqual([]);
  });
});

describe('a logged failure', () => {
  it('of PostgreSQL gives SQLSTATE, constraint and frames, and none of the values in its message', () => {
    const { log, lines, only } = listen();
    const driverError = Object.assign(new Error('duplicate key (email)=(lovelace@example.org)'), {
      name: 'error',
      code: '23505',
      constraint: 'patient_email_key',
      detail: 'Key (email)=(lovelace@example.org) already exists.',
      query: 'insert … Lovelace',
    });
    const wrapped = Object.assign(new Error('QueryFailed: lovelace@example.org'), {
      driverError,
      parameters: ['Lovelace'],
    });
    wrapped.name = 'QueryFailedError';
    log.error('write.failed', { error: wrapped, shard: 's1' });
    expect(lines.join('')).not.toMatch(/lovelace|example/i);
    expect(only()).toMatchObject({
      'error.type': 'QueryFailedError',
      'error.sqlstate': '23505',
      'error.constraint': 'patient_email_key',
      'praxis.shard': 's1',
    });
    expect(only()['error.stack_trace']).toContain('log.spec.ts');
  });

  it('keeps a message out even when it has lines that look like frames', () => {
    const { log, lines } = listen();
    log.error('a.b', {
      error: new Error('no\n    at Lovelace (/home/lovelace:1:1)\n    at lovelace (file:///lovelace.js:1:1)'),
    });
    expect(lines.join('')).not.toMatch(/lovelace/i);
    expect(lines.join('')).toContain('log.spec.ts');
  });

  it('of ours gives code, kind and internal text, and its foreign cause without message', () => {
    const { log, lines, only } = listen();
    const cause = Object.assign(new TypeError('Lovelace is not a function'), { code: 'ECONNREFUSED' });
    log.error('a.b', { error: fail('thing.gone', { internal: 'row of shard s1 was gone', cause }) });
    expect(only()).toMatchObject({
      'error.type': 'AppError',
      'error.code': 'thing.gone',
      'error.kind': 'internal',
      'error.internal': 'row of shard s1 was gone',
      'error.cause.type': 'TypeError',
      'error.cause.code': 'ECONNREFUSED',
    });
    expect(lines.join('')).not.toContain('Lovelace');
  });

  it('may be anything that was thrown, however deep its causes go', () => {
    const { log, lines } = listen();
    let error = new Error('Lovelace 0');
    for (let depth = 1; depth < 50; depth += 1) error = new Error(`Lovelace ${depth}`, { cause: error });
    log.error('a.b', { error });
    log.error('a.b', { error: 'Lovelace' });
    log.error('a.b', { error: { message: 'Lovelace' } });
    log.error('a.b', { error: Object.assign(new Error('x'), { name: 'Ms Lovelace', code: 'Lovelace' }) });
    expect(lines.join('')).not.toContain('Lovelace');
    expect(lines[0]?.match(/\.type"/g)).toHaveLength(4);
    expect(lines[1]).toContain('"error.type":"string"');
  });
});
