import { newId } from '#infra/kernel';
import { bearer, type Edge, person, startEdge } from './edge-fixture.js';
import { ThingsController } from './edge-things.js';

const calls = 10_000;

describe('metrics of requests', () => {
  const reader = person(['things.read']);
  let edge: Edge;
  beforeAll(async () => {
    edge = await startEdge({ controllers: [ThingsController], people: [reader] });
  });
  afterAll(() => edge.app.close());

  const series = async (metric: string): Promise<string[]> => {
    const { body } = await edge.app.inject({ method: 'GET', url: '/metrics' });
    return body
      .split('\n')
      .filter((line) => line.startsWith(`${metric}{`) && line.includes('route="/api/v1/things/:id"'));
  };

  it('[C-107] the label is the template of the route, never the path: 10,000 ids make one series', async () => {
    const ids = Array.from({ length: calls }, () => newId<string>());
    for (const id of ids)
      await edge.app.inject({ method: 'GET', url: `/api/v1/things/${id}`, headers: bearer(reader) });
    const counts = await series('http_request_duration_seconds_count');
    expect(counts).toHaveLength(1);
    expect(counts[0]).toContain('route="/api/v1/things/:id"');
    expect(counts[0]).toMatch(new RegExp(` ${calls}$`));
    expect(await series('http_requests_total')).toHaveLength(1);
    const { body } = await edge.app.inject({ method: 'GET', url: '/metrics' });
    expect(ids.some((id) => body.includes(id))).toBe(false);
  }, 60_000);

  it('[C-050] requests count under their method, route and status, each once', async () => {
    const countOf = async (labels: string) => {
      const { body } = await edge.app.inject({ method: 'GET', url: '/metrics' });
      const line = body.split('\n').find((each) => each.startsWith(`http_requests_total{app="api",${labels}} `));
      return Number(line?.split(' ').at(-1) ?? 0);
    };
    const found = 'method="GET",route="/api/v1/things/small",status="200"';
    const refused = 'method="GET",route="/api/v1/things/small",status="401"';
    const before = [await countOf(found), await countOf(refused)];
    for (let n = 0; n < 7; n += 1)
      await edge.app.inject({ method: 'GET', url: '/api/v1/things/small', headers: bearer(reader) });
    for (let n = 0; n < 3; n += 1) await edge.app.inject({ method: 'GET', url: '/api/v1/things/small' });
    expect([await countOf(found), await countOf(refused)]).toEqual([(before[0] ?? 0) + 7, (before[1] ?? 0) + 3]);
  });

  it('paths that no route knows share one series, whatever they hold', async () => {
    for (const path of ['/a', '/Jane', '/api/v1/%zz', `/api/v1/things/named/${'a'.repeat(501)}`])
      await edge.app.inject({ method: 'GET', url: path });
    const { body } = await edge.app.inject({ method: 'GET', url: '/metrics' });
    expect(body).toMatch(/http_requests_total\{app="api",method="GET",route="unmatched",status="404"\} 2/);
    expect(body).toMatch(/http_requests_total\{app="api",method="GET",route="unmatched",status="400"\} 1/);
    expect(body).toMatch(/http_requests_total\{app="api",method="GET",route="unmatched",status="414"\} 1/);
    expect(body).not.toContain('Jane');
  });

  it('a refusal counts with its status, and nothing stays in flight', async () => {
    await edge.app.inject({ method: 'GET', url: `/api/v1/things/${newId()}` });
    const { body } = await edge.app.inject({ method: 'GET', url: '/metrics' });
    expect(body).toMatch(/http_requests_total\{[^}]*route="\/api\/v1\/things\/:id",status="401"\} 1/);
    // Only the scrape itself.
    expect(body).toMatch(/http_requests_in_flight\{app="api"\} 1/);
  });

  it('where monitoring is off, /metrics does not exist', async () => {
    const silent = await startEdge({ controllers: [ThingsController], people: [reader], monitoring: false });
    expect((await silent.app.inject({ method: 'GET', url: '/metrics' })).statusCode).toBe(404);
    await silent.app.close();
  });
});
