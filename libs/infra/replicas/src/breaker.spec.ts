import { Breaker } from './breaker.js';

function make(answers: boolean[], own: { readonly failuresToOpen?: number } = {}) {
  const told: string[] = [];
  const probe = async () => {
    told.push('probe');
    if (!answers.shift()) throw new Error('no answer');
  };
  const onOpen = (_error: unknown, silent: boolean) => void told.push(silent ? 'open, silent' : 'open');
  return { told, breaker: new Breaker({ ...own, probe, onOpen, onClose: () => void told.push('closed') }) };
}
const refused = new Error('refused');
const settle = () => jest.advanceTimersByTimeAsync(0);

describe('a breaker', () => {
  beforeEach(() => jest.useFakeTimers());
  afterEach(() => jest.useRealTimers());

  it('opens after ten failures in a row, or as many as it is told, and an answer between them begins the count anew', () => {
    for (const [threshold, told] of [
      [10, {}],
      [3, { failuresToOpen: 3 }],
    ] as const) {
      const { told: heard, breaker } = make([], told);
      const fail = (times: number) => {
        for (let n = 0; n < times; n += 1) breaker.failed(refused);
      };
      fail(threshold - 1);
      breaker.succeeded();
      fail(threshold - 1);
      expect([breaker.state, heard]).toEqual(['closed', []]);
      fail(1);
      expect([breaker.state, heard]).toEqual(['open', ['open']]);
      breaker.end();
    }
  });

  it('asks once a second whether the server is back, and closes by that alone', async () => {
    const { told, breaker } = make([false, true]);
    for (let n = 0; n < 12; n += 1) breaker.failed(refused);
    breaker.succeeded();
    await jest.advanceTimersByTimeAsync(1_000);
    expect([breaker.state, told]).toEqual(['open', ['open', 'probe']]);
    await jest.advanceTimersByTimeAsync(1_000);
    expect([breaker.state, told]).toEqual(['closed', ['open', 'probe', 'probe', 'closed']]);
    await jest.advanceTimersByTimeAsync(10_000);
    expect(told).toHaveLength(4);
  });

  it('lets one probe decide about a server that owes an answer', async () => {
    const busy = make([true]);
    busy.breaker.suspect();
    busy.breaker.suspect();
    await settle();
    expect([busy.breaker.state, busy.told]).toEqual(['closed', ['probe']]);
    const silent = make([false]);
    silent.breaker.suspect();
    await settle();
    expect([silent.breaker.state, silent.told]).toEqual(['open', ['probe', 'open, silent']]);
    silent.breaker.end();
  });

  it('asks nobody any more after its end', async () => {
    const { told, breaker } = make([]);
    for (let n = 0; n < 10; n += 1) breaker.failed(refused);
    breaker.end();
    await jest.advanceTimersByTimeAsync(5_000);
    expect(told).toEqual(['open']);
  });
});
