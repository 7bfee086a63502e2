import { readableLine } from './log-lines.js';

const line = {
  'log.level': 'warn',
  '@timestamp': '2026-12-01T10:32:07.120Z',
  'service.name': 'praxis',
  'process.pid': 1,
  app: 'api',
  'http.request.method': 'PATCH',
  'http.route': '/api/v1/appointments/:id',
  'http.response.status_code': 409,
  'event.duration_ms': 12.5,
  'organization.id': 't-1',
  message: 'request.done',
};

describe('a log line for reading', () => {
  it('shows time, app, level, event and the fields that matter', () => {
    expect(readableLine('api', JSON.stringify(line), false)).toBe(
      '10:32:07.120 api     warn  request.done PATCH /api/v1/appointments/:id 409 12.5 ms tenant=t-1',
    );
  });

  it('sets the trace of an error below it, and leaves out what every line of an app says', () => {
    const failed = {
      ...line,
      'praxis.schedule': 'hygiene',
      'service.version': '1',
      'error.stack_trace': 'at a\n    at b',
    };
    const [first, ...trace] = readableLine('api', JSON.stringify(failed), false).split('\n');
    expect(first).toMatch(/ schedule=hygiene$/);
    expect(trace.map((each) => each.trim())).toEqual(['at a', 'at b']);
  });

  it('lets through what is not JSON, such as a crash before the log exists', () => {
    expect(readableLine('api', 'configuration is not usable', false)).toContain('api     configuration is not usable');
    expect(readableLine('api', '{ not json', false)).toContain('{ not json');
  });
});
