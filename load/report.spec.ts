import { median, percentile, report, run } from './report.js';

describe('percentile', () => {
  const hundred = Array.from({ length: 100 }, (_, n) => 100 - n);

  it('is the nearest rank, whatever the order', () => {
    expect(percentile(hundred, 0.5)).toBe(50);
    expect(percentile(hundred, 0.99)).toBe(99);
    expect(percentile(hundred, 1)).toBe(100);
    expect(percentile([7, 3, 5], 0.5)).toBe(5);
  });

  it('is the only value of one, the least for a share of nothing, and NaN of none', () => {
    expect(percentile([4], 0.99)).toBe(4);
    expect(percentile(hundred, 0)).toBe(1);
    expect(percentile([], 0.5)).toBeNaN();
  });
});

describe('median', () => {
  it('is the middle one, or the mean of the two in the middle', () => {
    expect(median([9, 1, 5])).toBe(5);
    expect(median([8, 2, 4, 6])).toBe(5);
    expect(median([])).toBeNaN();
  });
});

describe('the last line', () => {
  const lines: string[] = [];
  beforeEach(() => {
    lines.length = 0;
    jest.spyOn(console, 'log').mockImplementation((line: string) => void lines.push(line));
    jest.spyOn(console, 'error').mockImplementation(() => undefined);
  });
  afterEach(() => {
    jest.restoreAllMocks();
    process.exitCode = undefined;
  });

  it('is one line of JSON with name, verdict, figures and machine, and sets the exit status', () => {
    report('slot-race', true, { rounds: 10 });
    expect(lines).toHaveLength(1);
    expect(JSON.parse(lines[0]!)).toEqual({
      name: 'slot-race',
      passed: true,
      figures: { rounds: 10 },
      machine: expect.objectContaining({ cores: expect.any(Number), loadAverage1Min: expect.any(Number) }),
    });
    expect(process.exitCode).toBe(0);
  });

  it('comes also when the work breaks, with the reason and a failing status', async () => {
    await run('kill-api', () => Promise.reject(new Error('no server')));
    expect(JSON.parse(lines.at(-1)!)).toMatchObject({
      name: 'kill-api',
      passed: false,
      figures: { reason: 'no server' },
    });
    expect(process.exitCode).toBe(1);
  });
});
