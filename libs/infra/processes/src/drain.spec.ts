import { createLog } from '#infra/telemetry';
import { type DrainSteps, drain, lingerMinMs } from './drain.js';

const events: string[] = [];
const log = createLog(
  { level: 'info', service: 'test' },
  { app: 'test', to: { write: (line: string) => void events.push(JSON.parse(line).message) } },
);

const never = new Promise<void>(() => undefined);
const steps = (changes: Partial<DrainSteps> = {}): DrainSteps => ({
  announce: () => void events.push('announce'),
  leave: () => void events.push('leave'),
  finish: async () => void events.push('finish'),
  cut: () => void events.push('cut'),
  end: async () => void events.push('end'),
  ...changes,
});

describe('a drain', () => {
  beforeEach(() => events.splice(0));

  it('announces, waits, closes the door, lets everybody finish, and ends the pools', async () => {
    expect(await drain(steps(), { log, waitMs: 10, othersServe: false })).toBe(true);
    expect(events).toEqual(['drain.announced', 'announce', 'finish', 'end', 'drain.done']);
  });

  it('leaves the door to others at once where there are others, and lets open connections hear of it', async () => {
    const startedAt = performance.now();
    expect(await drain(steps(), { log, waitMs: 0, othersServe: true })).toBe(true);
    expect(events).toEqual(['drain.announced', 'announce', 'leave', 'finish', 'end', 'drain.done']);
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(lingerMinMs - 5);
  });

  it('cuts what does not finish, still ends the pools, and says that something was lost', async () => {
    const plan = { log, waitMs: 0, othersServe: false, inFlightMaxMs: 20 };
    expect(await drain(steps({ finish: () => never }), plan)).toBe(false);
    expect(events).toEqual(['drain.announced', 'announce', 'drain.cut', 'cut', 'end', 'drain.done']);
  });

  it('does not wait for pools for ever', async () => {
    const plan = { log, waitMs: 0, othersServe: false, endingMaxMs: 20 };
    expect(await drain(steps({ end: () => never }), plan)).toBe(false);
    expect(events).toContain('drain.unfinished');
  });
});
