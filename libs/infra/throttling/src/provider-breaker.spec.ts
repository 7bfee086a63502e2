import { createLog, Metrics } from '#infra/telemetry';
import {
  ProviderBreaker,
  providerBusyRetryMs,
  providerFailuresToOpen,
  providerOpenForMs,
  providerRunningMax,
  providerWaitingMax,
} from './provider-breaker.js';

const timeoutMs = 5_000;
const identity = { app: 'worker', version: '0' };
const away = { code: 'provider.away', kind: 'unavailable' };
const unwell = new Error('connection refused');
const no = new Error('no such mailbox');

function make() {
  const lines: string[] = [];
  const log = createLog({ level: 'info', service: 'test' }, { ...identity, to: { write: (line) => lines.push(line) } });
  const metrics = new Metrics({ config: { monitoring: true, service: 'test' }, identity, log });
  const setup = { provider: 'smtp', timeoutMs, isFailure: (error: unknown) => error !== no, log, metrics };
  const breaker = new ProviderBreaker(setup);
  const tried: string[] = [];
  const call = (ends: () => Promise<string>, name = 'call') =>
    breaker.run(() => {
      tried.push(name);
      return ends();
    });
  const fails = () => call(() => Promise.reject(unwell)).catch((error: unknown) => error);
  const works = () => call(async () => 'sent').catch((error: unknown) => error);
  const series = async (name: string) =>
    (await metrics.expose()).body.split('\n').find((line) => line.startsWith(`${name}{`));
  const failTimes = async (times: number) => {
    for (let n = 0; n < times; n += 1) expect(await fails()).toBe(unwell);
  };
  return { breaker, call, fails, works, failTimes, tried, series, lines };
}

describe('the way to a provider', () => {
  beforeEach(() => jest.useFakeTimers());
  afterEach(() => jest.useRealTimers());

  it('[B-036] [D-078] ten failures in a row open it and nine do not; 60 s later one call probes, and its success closes it', async () => {
    const nine = make();
    await nine.failTimes(9);
    expect([nine.breaker.open, await nine.works()]).toEqual([false, 'sent']);
    await nine.failTimes(9);
    expect([nine.breaker.open, await nine.works()]).toEqual([false, 'sent']);

    const { breaker, failTimes, works, fails, tried, call } = make();
    await failTimes(providerFailuresToOpen);
    expect([breaker.open, providerFailuresToOpen, providerOpenForMs]).toEqual([true, 10, 60_000]);
    expect(await works()).toMatchObject({ ...away, options: { retryAfterMs: 60_000 } });
    await jest.advanceTimersByTimeAsync(59_999);
    expect(await works()).toMatchObject({ ...away, options: { retryAfterMs: 1 } });
    expect(tried).toHaveLength(10);

    await jest.advanceTimersByTimeAsync(1);
    expect(await fails()).toBe(unwell);
    expect(await works()).toMatchObject({ ...away, options: { retryAfterMs: 60_000 } });
    expect(tried).toHaveLength(11);
    await jest.advanceTimersByTimeAsync(60_000);

    const answer = Promise.withResolvers<string>();
    const probe = call(() => answer.promise, 'probe');
    const others = await Promise.all(Array.from({ length: 30 }, works));
    expect(others).toEqual(
      others.map(() => expect.objectContaining({ ...away, options: expect.objectContaining({ retryAfterMs: 1_000 }) })),
    );
    expect(tried.slice(11)).toEqual(['probe']);
    answer.resolve('sent');
    expect([await probe, breaker.open, await works()]).toEqual(['sent', false, 'sent']);
    await failTimes(9);
    expect(breaker.open).toBe(false);
  });

  it('takes an answer that says no for a sign of life, and hands it on', async () => {
    const { breaker, call, failTimes, fails } = make();
    await failTimes(9);
    await expect(call(() => Promise.reject(no))).rejects.toBe(no);
    await failTimes(9);
    expect(breaker.open).toBe(false);
    await fails();
    expect(breaker.open).toBe(true);
    await jest.advanceTimersByTimeAsync(60_000);
    await expect(call(() => Promise.reject(no))).rejects.toBe(no);
    expect(breaker.open).toBe(false);
  });

  it('lets 20 calls run and 100 wait, and refuses the 121st at once', async () => {
    const { breaker, call, tried } = make();
    const ends = Array.from({ length: 120 }, () => Promise.withResolvers<string>());
    const calls = ends.map(({ promise }, n) => call(() => promise, `${n}`));
    expect([providerRunningMax, providerWaitingMax]).toEqual([20, 100]);
    expect(tried).toHaveLength(20);
    await expect(call(async () => 'one too many')).rejects.toMatchObject({
      ...away,
      options: { retryAfterMs: providerBusyRetryMs },
    });
    ends[7]?.resolve('sent');
    await calls[7];
    await jest.advanceTimersByTimeAsync(0);
    expect(tried).toEqual([...Array.from({ length: 21 }, (_, n) => `${n}`)]);
    for (const [n, end] of ends.entries()) end.resolve(`${n}`);
    expect(await Promise.all(calls)).toHaveLength(120);
    expect(breaker.open).toBe(false);
  });

  it('gives up a call after its time, tells it so, and counts it; who waited in line is refused once it is open', async () => {
    const { breaker, tried } = make();
    const signals: AbortSignal[] = [];
    const hangs = () =>
      breaker
        .run((signal) => {
          tried.push('call');
          signals.push(signal);
          return new Promise<never>(() => undefined);
        })
        .catch((error: { code: string }) => error.code);
    const codes = Promise.all(Array.from({ length: 50 }, hangs));
    await jest.advanceTimersByTimeAsync(timeoutMs);
    expect(breaker.open).toBe(true);
    // Nine waited no longer when the tenth failure came.
    expect(tried).toHaveLength(29);
    await jest.advanceTimersByTimeAsync(timeoutMs);
    const [slow, refused] = [29, 21];
    expect((await codes).sort()).toEqual([
      ...Array(refused).fill('provider.away'),
      ...Array(slow).fill('provider.slow'),
    ]);
    expect([tried.length, signals.every(({ aborted }) => aborted)]).toEqual([slow, true]);
  });

  it('does not make a call whose caller has gone while it waited', async () => {
    const { breaker, call, tried } = make();
    const ends = Array.from({ length: providerRunningMax }, () => Promise.withResolvers<string>());
    const running = ends.map(({ promise }) => call(() => promise));
    const gone = new AbortController();
    const late = breaker
      .run(async () => tried.push('late'), gone.signal)
      .catch((error: { code: string }) => error.code);
    gone.abort();
    for (const end of ends) end.resolve('sent');
    await Promise.all(running);
    expect([await late, tried.includes('late'), breaker.open]).toEqual(['provider.slow', false, false]);
  });

  it('is seen in metrics and log, which name no more than the provider and the failure', async () => {
    const { failTimes, fails, works, series, lines } = make();
    expect(await series('provider_breaker_open')).toBe('provider_breaker_open{provider="smtp"} 0');
    await failTimes(10);
    await works();
    expect(await series('provider_breaker_open')).toBe('provider_breaker_open{provider="smtp"} 1');
    expect(await series('provider_refused_total')).toBe('provider_refused_total{provider="smtp",reason="open"} 1');
    await jest.advanceTimersByTimeAsync(60_000);
    await fails();
    await jest.advanceTimersByTimeAsync(60_000);
    await works();
    expect(await series('provider_breaker_open')).toBe('provider_breaker_open{provider="smtp"} 0');
    expect(lines.map((line) => JSON.parse(line).message ?? JSON.parse(line)['event.action'])).toEqual([
      'provider.breaker_opened',
      'provider.breaker_closed',
    ]);
  });
});
