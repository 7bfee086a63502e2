import { Breaker } from './breaker.js';

function make(answers: boolean[]) {
  const told: string[] = [];
  const probe = async () => {
    told.push('probe');
    if (!answers.shift()) throw new Error('no answer');
  };
  const onOpen = (_error: unknown, silent: boolean) => void told.push(silent ? 'open, silent' : 'open');
  return { told, breaker: new Breaker({ probe, onOpen, onClose: () => void told.push('closed') }) };
}
const refused = new Error('refused');
const settle = () => jest.advanceTimersByTimeAsync(0);

describe('a breaker', () => {
  beforeEach(() => jest.useFakeTimers());
  afterEach(() => jest.useRealTimers());

  it('opens after three failures in a row, and an answer between them begins the count anew', () => {
    const { told, breaker } = make([]);
    for (const step of [false, false, true, false, false]) step ? breaker.succeeded() : breaker.failed(refused);
    expect(breaker.state).toBe('closed');
    breaker.failed(refused);
    expect(breaker.state).toBe('open');
    expect(told).toEqual(['open']);
    breaker.end();
  });

  it('asks once a second whether the server is back, and closes by that alone', async () => {
    const { told, breaker } = make([false, true]);
    for (let n = 0; n < 5; n += 1) breaker.failed(refused);
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
    for (let n = 0; n < 3; n += 1) breaker.failed(refused);
    breaker.end();
    await jest.advanceTimersByTimeAsync(5_000);
    expect(told).toEqual(['open']);
  });
});
