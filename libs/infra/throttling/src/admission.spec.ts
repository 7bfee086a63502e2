import { Admission, type AdmissionOptions, type Importance, importances, type Rejection } from './admission.js';

describe('admission', () => {
  let nowMs = 0;
  let admission: Admission;
  const told: string[] = [];
  beforeEach(() => {
    nowMs = 0;
    told.length = 0;
  });
  afterEach(() => {
    // Whoever still waits keeps the sweep alive.
    nowMs += 3_600_000;
    admission.sweep();
  });

  const start = (limits: Partial<AdmissionOptions> = {}) => {
    admission = new Admission({ runningMax: 2, waitingMax: 10, waitMaxMs: 30_000, nowMs: () => nowMs, ...limits });
    return admission;
  };
  const fill = (slots = 2) => {
    for (let n = 0; n < slots; n += 1) expect(admission.enter()).toBe(true);
    expect(admission.enter()).toBe(false);
  };
  const join = (name: string, importance: Importance = 'normal') =>
    admission.wait(importance, (rejection: Rejection | null) => told.push(`${name}: ${rejection ?? 'in'}`));

  it('with 100 running and 2,000 waiting the 2,101st is sent away at once, and never more than 100 run', () => {
    start({ runningMax: 100, waitingMax: 2_000 });
    fill(100);
    let running = 100;
    let most = 0;
    const verdicts: (Rejection | null)[] = [];
    for (let n = 0; n < 2_000; n += 1)
      admission.wait('normal', (rejection) => {
        verdicts.push(rejection);
        if (rejection === null) running += 1;
        most = Math.max(most, running);
      });
    expect(verdicts).toEqual([]);
    admission.wait('normal', (rejection) => verdicts.push(rejection));
    expect(verdicts).toEqual(['full']);
    for (let n = 0; n < 2_100; n += 1) {
      running -= 1;
      admission.leave();
      expect(admission.running).toBeLessThanOrEqual(100);
    }
    expect(most).toBe(100);
    expect(verdicts.filter((verdict) => verdict === null)).toHaveLength(2_000);
    expect(admission.running).toBe(0);
  });

  it('who came first goes first', () => {
    start();
    fill();
    for (const name of ['a', 'b', 'c']) join(name);
    admission.leave();
    admission.leave();
    expect(told).toEqual(['a: in', 'b: in']);
    expect(admission.running).toBe(2);
  });

  it('whoever has waited 30 s is sent away, not before', () => {
    start();
    fill();
    join('early');
    nowMs = 1;
    join('late');
    nowMs = 29_999;
    admission.sweep();
    expect(told).toEqual([]);
    nowMs = 30_000;
    admission.sweep();
    expect(told).toEqual(['early: expired']);
    expect(admission.waiting('normal')).toBe(1);
  });

  it('a caller who went away is passed over', () => {
    start();
    fill();
    const giveUp = join('gone');
    join('there');
    giveUp();
    giveUp();
    admission.leave();
    expect(told).toEqual(['there: in']);
    expect(admission.waiting('normal')).toBe(0);
  });

  it('idle room may be borrowed, and goes back to its owner: the newest borrower leaves', () => {
    start();
    fill();
    for (let n = 0; n < 10; n += 1) join(`b${n}`, 'background');
    join('desk', 'critical');
    expect(told).toEqual(['b9: displaced']);
    for (let n = 0; n < 4; n += 1) join(`desk${n}`, 'critical');
    expect(admission.waiting('critical')).toBe(5);
    told.length = 0;
    join('one too many', 'critical');
    expect(told).toEqual(['one too many: full']);
    join('n', 'normal');
    expect(told).toEqual(['one too many: full', 'b4: displaced']);
  });

  it('slots go out 5 : 4 : 1 where all wait, so that nobody starves', () => {
    start({ waitingMax: 1_000 });
    fill();
    const counts: Record<Importance, number> = { critical: 0, normal: 0, background: 0 };
    for (const importance of importances)
      for (let n = 0; n < 100; n += 1)
        admission.wait(importance, (rejection) => {
          if (rejection === null) counts[importance] += 1;
        });
    for (let n = 0; n < 100; n += 1) admission.leave();
    expect(counts).toEqual({ critical: 50, normal: 40, background: 10 });
  });

  it('after 5 s with somebody waiting longer than 500 ms the newest goes first, until the line is short again', () => {
    start();
    fill();
    join('old');
    const pass = (untilMs: number) => {
      for (; nowMs < untilMs; nowMs += 250) admission.sweep();
    };
    pass(5_500);
    join('middle');
    admission.leave();
    expect(told).toEqual(['old: in']);
    join('oldest left');
    pass(12_000);
    join('newest');
    admission.leave();
    admission.leave();
    expect(told.slice(1)).toEqual(['newest: in', 'oldest left: in']);
    admission.leave();
    admission.sweep();
    join('first');
    join('second');
    admission.leave();
    expect(told.slice(3)).toEqual(['middle: in', 'first: in']);
  });
});
