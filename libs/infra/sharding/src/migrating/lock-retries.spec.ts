import { retriesMax, waitAfter, withLockRetries } from './lock-retries.js';

const lockNotAvailable = Object.assign(new Error('canceling statement due to lock timeout'), { code: '55P03' });

function trial(outcomes: readonly (Error | undefined)[]) {
  const slept: number[] = [];
  let tries = 0;
  const work = async () => {
    const outcome = outcomes[Math.min(tries, outcomes.length - 1)];
    tries += 1;
    if (outcome) throw outcome;
    return 'done';
  };
  const pacing = { sleep: async (ms: number) => void slept.push(ms), random: () => 1 };
  return { run: () => withLockRetries(pacing, work, async () => undefined), slept, tries: () => tries };
}

describe('waiting for a lock', () => {
  it('tries again ten times, after 1 s and then twice as long each time up to 30 s, and gives up by name', async () => {
    const { run, slept, tries } = trial([lockNotAvailable]);
    await expect(run()).rejects.toMatchObject({ code: 'migration.locked', cause: lockNotAvailable });
    expect(tries()).toBe(retriesMax + 1);
    expect(slept).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000, 30_000, 30_000]);
  });

  it('waits between half of that and all of it, so that two do not keep meeting', () => {
    expect([waitAfter(1, () => 0), waitAfter(1, () => 1), waitAfter(9, () => 0)]).toEqual([500, 1_000, 15_000]);
  });

  it('ends with the first success, and repeats nothing that failed for another reason', async () => {
    const lucky = trial([lockNotAvailable, lockNotAvailable, undefined]);
    expect(await lucky.run()).toBe('done');
    expect(lucky.tries()).toBe(3);
    const wrong = trial([new Error('there is no such column')]);
    await expect(wrong.run()).rejects.toThrow('no such column');
    expect(wrong.tries()).toBe(1);
  });
});
