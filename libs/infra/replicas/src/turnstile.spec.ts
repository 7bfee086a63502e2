import { type Refusal, Turnstile } from './turnstile.js';

const make = (queueLimit = 10) =>
  new Turnstile({ max: 2, queueLimit, timeoutMs: 1_000, refusal: (why: Refusal) => new Error(why) });

describe('a turnstile', () => {
  beforeEach(() => jest.useFakeTimers());
  afterEach(() => jest.useRealTimers());

  it('lets two in at once and the others one by one, in the order in which they came', async () => {
    const turnstile = make();
    expect([turnstile.enter(), turnstile.enter()]).toEqual([undefined, undefined]);
    const entered: number[] = [];
    for (const n of [1, 2, 3]) void turnstile.enter()?.then(() => entered.push(n));
    for (const inside of [1, 2, 3]) {
      turnstile.leave();
      await jest.advanceTimersByTimeAsync(0);
      expect(entered).toHaveLength(inside);
    }
    expect(entered).toEqual([1, 2, 3]);
    for (let n = 0; n < 2; n += 1) turnstile.leave();
    expect([turnstile.inside, turnstile.waiting]).toEqual([0, 0]);
  });

  it('refuses who comes when too many wait, and who has waited too long', async () => {
    const turnstile = make(1);
    for (let n = 0; n < 2; n += 1) void turnstile.enter();
    const late = turnstile.enter();
    const told = expect(late).rejects.toThrow('late');
    await expect(turnstile.enter()).rejects.toThrow('full');
    await jest.advanceTimersByTimeAsync(1_000);
    await told;
    expect([turnstile.inside, turnstile.waiting]).toEqual([2, 0]);
  });

  it('sends away everybody who waits, and nobody who is inside', async () => {
    const turnstile = make();
    for (let n = 0; n < 2; n += 1) void turnstile.enter();
    const waiting = [turnstile.enter(), turnstile.enter()].map((turn) => expect(turn).rejects.toThrow('closed'));
    turnstile.disperse(() => new Error('closed'));
    await Promise.all(waiting);
    expect([turnstile.inside, turnstile.waiting]).toEqual([2, 0]);
  });
});
