import { FixedClock } from '#infra/kernel';
import { RedisBreaker } from './breaker.js';

describe('the breaker of whoever can do without Redis', () => {
  it.each([1_000, 5_000])(
    'opens for %i ms after five failures in a row, and again after each further one',
    (openForMs) => {
      const clock = new FixedClock(10_000);
      const changes: string[] = [];
      const breaker = new RedisBreaker({ openForMs, clock, onChange: (state) => changes.push(state) });
      for (let n = 0; n < 4; n += 1) breaker.failed(new Error());
      breaker.succeeded();
      for (let n = 0; n < 4; n += 1) breaker.failed(new Error());
      expect(breaker.allows()).toBe(true);
      breaker.failed(new Error());
      clock.advance(openForMs - 1);
      expect(breaker.allows()).toBe(false);
      clock.advance(1);
      expect(breaker.allows()).toBe(true);
      breaker.failed(new Error());
      expect(breaker.allows()).toBe(false);
      clock.advance(openForMs);
      breaker.succeeded();
      expect(breaker.allows()).toBe(true);
      expect(changes).toEqual(['open', 'closed']);
    },
  );
});
