import { NodePool } from './pool.js';
import { Replica } from './replica.js';

const times = { acquireTimeoutMs: 1, idleTimeoutMs: 1, statementTimeoutMs: 1 };
/** Nobody asks it for a connection here. */
const pool = new NodePool(
  'postgres://127.0.0.1:1/x',
  { min: 0, max: 1, queueLimit: 0, ...times, applicationName: 'x' },
  () => undefined,
);

/** A poll a second, all of them good, until it is back; how many seconds that took. */
function secondsAway(replica: Replica, from: number): number {
  for (let n = 1; n <= 100; n += 1) {
    replica.judge(true, from + n * 1_000);
    if (replica.inRotation) return n;
  }
  throw new Error('it did not come back');
}
const admittedOf100 = (replica: Replica, now: number) =>
  Array.from({ length: 100 }, () => replica.takes(now)).filter((takes) => takes).length;

describe('a replica', () => {
  it('comes into rotation with its second good poll and takes every read', () => {
    const replica = new Replica(pool);
    expect(secondsAway(replica, 0)).toBe(2);
    expect(admittedOf100(replica, 2_000)).toBe(100);
  });

  it('is out at once when a read finds it broken, and back with two good polls', () => {
    const replica = new Replica(pool);
    secondsAway(replica, 0);
    replica.suspect();
    expect(replica.inRotation).toBe(false);
    expect(secondsAway(replica, 10_000)).toBe(2);
    expect(admittedOf100(replica, 12_000)).toBe(100);
  });

  it('that was lost stays away for 10 s and comes back slowly', () => {
    const replica = new Replica(pool);
    secondsAway(replica, 0);
    for (const at of [5_000, 6_000, 7_000]) replica.lost(at);
    expect(secondsAway(replica, 8_000)).toBe(7);
    expect(admittedOf100(replica, 15_000)).toBe(10);
    expect(admittedOf100(replica, 25_000)).toBe(100);
  });

  it('stays away for twice as long each time that it is lost again within a minute, for a minute at most', () => {
    const replica = new Replica(pool);
    let now = 0;
    const away: number[] = [];
    for (let n = 0; n < 5; n += 1) {
      now += 1_000;
      replica.lost(now);
      away.push(secondsAway(replica, now));
      now += (away.at(-1) ?? 0) * 1_000;
    }
    expect(away).toEqual([10, 20, 40, 60, 60]);
    replica.lost(now + 120_000);
    expect(secondsAway(replica, now + 120_000)).toBe(10);
  });
});
