import { HealthModule, Readiness } from '#infra/health';
import { HealthApiModule } from '../src/health/health-api.module.js';
import { type Edge, startEdge } from './edge-fixture.js';

describe('probes', () => {
  let edge: Edge;
  let readiness: Readiness;
  let shard: 'up' | 'away' = 'up';
  beforeEach(async () => {
    edge = await startEdge({ controllers: [], modules: [HealthModule.forRoot(), HealthApiModule] });
    readiness = edge.app.get(Readiness);
  });
  afterEach(() => edge.app.close());

  const probe = async (url: string) => {
    const answer = await edge.app.inject({ method: 'GET', url });
    return { status: answer.statusCode, body: answer.json(), headers: answer.headers };
  };
  const watchShard = (critical: boolean) =>
    readiness.add({
      name: 'shard-1',
      critical,
      run: async () => {
        if (shard === 'away') throw new Error('no route to 10.0.0.7');
        return 'up';
      },
    });

  it('a process lives from the first moment, and is started and ready only when it says so', async () => {
    expect(await probe('/health/live')).toMatchObject({ status: 200, body: { status: 'ok' } });
    expect((await probe('/health/startup')).status).toBe(503);
    expect((await probe('/health/ready')).status).toBe(503);
    readiness.markStarted();
    expect((await probe('/health/startup')).status).toBe(200);
    expect(await probe('/health/ready')).toMatchObject({ status: 200, body: { status: 'ok' } });
  });

  it.each([
    ['[C-078] /health', '/health'],
    ['/api/v1/health', '/api/v1/health'],
  ])('%s says the same as /health/ready, with the same status', async (_, alias) => {
    const both = async () => {
      const [{ status, body }, canonical] = [await probe(alias), await probe('/health/ready')];
      expect([status, body]).toEqual([canonical.status, canonical.body]);
      return status;
    };
    watchShard(true);
    expect(await both()).toBe(503);
    readiness.markStarted();
    expect(await both()).toBe(200);
  });

  it('is not ready while something critical is away, and names it without saying where it is', async () => {
    readiness.markStarted();
    shard = 'away';
    watchShard(true);
    const { status, body, headers } = await probe('/health/ready');
    expect(status).toBe(503);
    expect(body).toMatchObject({ status: 'error', error: { 'shard-1': { status: 'down' } } });
    expect(JSON.stringify(body)).not.toContain('10.0.0.7');
    expect(headers['content-type']).toContain('application/json');
    expect(headers['cache-control']).toBe('no-store');
  });

  it('is degraded and still ready while something else is away', async () => {
    readiness.markStarted();
    shard = 'away';
    watchShard(false);
    const { status, body } = await probe('/health/ready');
    expect([status, body.status, body.details['shard-1'].status]).toEqual([200, 'degraded', 'degraded']);
  });

  it('fails readiness from the first moment of a drain, and stays alive', async () => {
    readiness.markStarted();
    readiness.startDraining();
    expect(await probe('/health/ready')).toMatchObject({
      status: 503,
      body: { error: { process: { status: 'down', draining: true } } },
    });
    expect((await probe('/health/live')).status).toBe(200);
  });

  it('writes no line in the log, however often it is asked', async () => {
    for (let n = 0; n < 20; n += 1) await probe('/health/ready');
    expect(edge.lines.texts).toEqual([]);
  });
});
