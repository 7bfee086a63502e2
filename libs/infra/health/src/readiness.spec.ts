import { defineErrors, FixedClock } from '#infra/kernel';
import { type CheckStatus, checkDeadlineMs, Readiness } from './readiness.js';

const started = (clock = new FixedClock(0)) => {
  const readiness = new Readiness(clock);
  readiness.markStarted();
  return readiness;
};
const answering = (status: CheckStatus) => async () => {
  if (status === 'down') throw new Error('away');
  return status;
};
const statusWith = async (...checks: readonly (readonly [status: CheckStatus, critical: boolean])[]) => {
  const readiness = started();
  checks.forEach(([status, critical], n) => {
    readiness.add({ name: `c${n}`, critical, run: answering(status) });
  });
  return (await readiness.report()).status;
};

describe('readiness', () => {
  it('is down until the process has started, up then, and down again from the first moment of a drain', async () => {
    const readiness = new Readiness(new FixedClock(0));
    expect((await readiness.report()).status).toBe('down');
    readiness.markStarted();
    expect((await readiness.report()).status).toBe('up');
    readiness.startDraining();
    expect(await readiness.report()).toMatchObject({ status: 'down', draining: true });
  });

  it('is down where a critical thing is away and degraded where any other is', async () => {
    expect(await statusWith(['up', true], ['up', false])).toBe('up');
    expect(await statusWith(['up', true], ['down', false])).toBe('degraded');
    expect(await statusWith(['degraded', true], ['up', false])).toBe('degraded');
    expect(await statusWith(['down', true], ['up', false])).toBe('down');
  });

  it('counts a check that does not answer in 500 ms as down', async () => {
    const readiness = started();
    readiness.add({ name: 'stuck', critical: true, run: () => new Promise(() => undefined) });
    const { status, checks } = await readiness.report();
    expect(status).toBe('down');
    expect(checks.stuck?.latencyMs).toBeGreaterThanOrEqual(checkDeadlineMs - 5);
  });

  it('tells the code of a failure of ours, of its first cause, and nothing of any other', async () => {
    const fail = defineErrors({
      'shard.unavailable': { kind: 'unavailable', public: 'Away.' },
      'database.schema_outdated': { kind: 'internal', public: 'Not ready.' },
    });
    const readiness = started();
    const failing = (name: string, error: unknown) =>
      readiness.add({ name, critical: false, run: () => Promise.reject(error) });
    failing('ours', fail('shard.unavailable', { cause: new Error('10.0.0.7 refused') }));
    failing('caused', fail('shard.unavailable', { cause: fail('database.schema_outdated') }));
    failing('theirs', new Error('10.0.0.7 refused'));
    const { ours, caused, theirs } = (await readiness.report()).checks;
    expect([ours?.code, caused?.code]).toEqual(['shard.unavailable', 'database.schema_outdated']);
    expect(theirs).toEqual({ status: 'down', latencyMs: expect.any(Number) });
  });

  it('asks at most once a second however many probes come, and then asks again', async () => {
    const clock = new FixedClock(0);
    const readiness = started(clock);
    let asked = 0;
    const count = async (): Promise<CheckStatus> => {
      asked += 1;
      return 'up';
    };
    readiness.add({ name: 'counted', critical: true, run: count });
    await Promise.all(Array.from({ length: 100 }, () => readiness.report()));
    expect(asked).toBe(1);
    clock.advance(1_000);
    await readiness.report();
    expect(asked).toBe(2);
  });

  it('refuses two checks of one name', () => {
    const readiness = started();
    readiness.add({ name: 'one', critical: true, run: answering('up') });
    expect(() => readiness.add({ name: 'one', critical: true, run: answering('up') })).toThrow(RangeError);
  });
});
