import { reachIsLegal, reachOf } from './catalogue.js';

const room = { kind: 'room', offsetMin: -5, durationMin: 55 } as const;
const provider = { kind: 'provider', offsetMin: 0, durationMin: 20 } as const;

describe('how far a service reaches', () => {
  it('from its earliest segment to its latest, the visit itself included', () => {
    expect(reachOf({ durationMin: 30, segments: [provider, room] })).toEqual({ beforeMin: 5, afterMin: 50 });
    expect(reachOf({ durationMin: 30, segments: [provider] })).toEqual({ beforeMin: 0, afterMin: 30 });
    const later = { ...provider, offsetMin: 60 };
    expect(reachOf({ durationMin: 30, segments: [later] })).toEqual({ beforeMin: 0, afterMin: 80 });
  });

  it('is at most a day to both sides', () => {
    const startingAt = (offsetMin: number) => ({ durationMin: 30, segments: [{ ...provider, offsetMin }] });
    expect(reachIsLegal(startingAt(1_420))).toBe(true);
    expect(reachIsLegal(startingAt(1_421))).toBe(false);
    expect(reachIsLegal(startingAt(-1_440))).toBe(true);
    expect(reachIsLegal(startingAt(-1_441))).toBe(false);
  });
});
