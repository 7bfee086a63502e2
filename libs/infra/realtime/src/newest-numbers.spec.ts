import { newId, type Tenant } from '#infra/kernel';
import { NewestNumbers } from './newest-numbers.js';

const tenant: Tenant = { id: newId(), plan: 'BASIC' };

/** Questions that are answered when the test says so. */
function questions() {
  const asked: { answer: (seq: number) => void; fail: (error: Error) => void }[] = [];
  const newest = new NewestNumbers(() => {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    asked.push({ answer: resolve, fail: reject });
    return promise;
  });
  return { asked, newest };
}
const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('the newest number of a tenant', () => {
  it('is asked for twice by any number who ask at the same time, and never answered from before the question', async () => {
    const { asked, newest } = questions();
    const first = newest.of(tenant);
    const later = Array.from({ length: 1_000 }, () => newest.of(tenant));
    expect(asked).toHaveLength(1);
    asked[0]?.answer(7);
    expect(await first).toBe(7);
    await turn();
    expect(asked).toHaveLength(2);
    asked[1]?.answer(8);
    expect(new Set(await Promise.all(later))).toEqual(new Set([8]));
    expect(asked).toHaveLength(2);
  });

  it('is asked for anew when nobody waits, and after a question that failed', async () => {
    const { asked, newest } = questions();
    const first = newest.of(tenant);
    const second = newest.of(tenant);
    asked[0]?.fail(new Error('away'));
    await expect(first).rejects.toThrow('away');
    await turn();
    asked[1]?.answer(3);
    expect(await second).toBe(3);
    const third = newest.of(tenant);
    asked[2]?.answer(4);
    expect(await third).toBe(4);
  });

  it('is each tenant’s own', async () => {
    const { asked, newest } = questions();
    const answers = [newest.of(tenant), newest.of({ ...tenant, id: newId() })];
    asked[0]?.answer(1);
    asked[1]?.answer(2);
    expect(await Promise.all(answers)).toEqual([1, 2]);
  });
});
