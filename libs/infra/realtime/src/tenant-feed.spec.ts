import * as fc from 'fast-check';
import { newId } from '#infra/kernel';
import type { PublishedFact } from '#infra/queues';
import type { Stretch } from './fact-log.js';
import { TenantFeed } from './tenant-feed.js';

const tenantId = newId<PublishedFact['tenantId']>();
const fact = (seq: number): PublishedFact => ({
  tenantId,
  seq,
  name: 'thing.found',
  at: 0,
  permission: 'things.read',
  rooms: [],
  payload: {},
});
const upTo = (count: number, from = 1) => Array.from({ length: count }, (_, n) => from + n);
const turn = () => new Promise((resolve) => setImmediate(resolve));

/** A log of facts that the test lengthens, shortens and breaks, and a feed that reads it. */
class Setting {
  newest = 0;
  /** What is gone: numbers up to this one. */
  gone = 0;
  away = false;
  reads = 0;
  readonly told: number[] = [];
  readonly skipped: [number, number][] = [];
  readonly feed = new TenantFeed({
    read: (seq) => this.#read(seq),
    newest: async () => this.newest,
    tell: ({ seq }, _source, followers) => {
      for (const follower of followers) follower(fact(seq));
    },
    onGone: (from, to) => void this.skipped.push([from, to]),
  });

  async open(newest = 0): Promise<this> {
    this.newest = newest;
    await this.feed.open();
    this.feed.followers.add(({ seq }) => void this.told.push(seq));
    return this;
  }

  async hear(seq: number | null): Promise<void> {
    if (this.feed.heard(seq === null ? null : fact(seq))) await this.feed.look().catch(() => undefined);
  }

  /** In stretches of three. */
  async #read(seq: number): Promise<Stretch> {
    await turn();
    this.reads += 1;
    if (this.away) throw new Error('away');
    const from = Math.max(seq, this.gone);
    const facts = upTo(Math.max(0, Math.min(3, this.newest - from)), from + 1).map(fact);
    return { facts, more: from + facts.length < this.newest, gone: from !== seq || seq > this.newest };
  }
}

describe('the feed of a tenant', () => {
  it('tells what it hears in order without asking the log', async () => {
    const setting = await new Setting().open(4);
    for (const seq of [5, 6, 7]) await setting.hear(seq);
    expect(setting.told).toEqual([5, 6, 7]);
    expect(setting.reads).toBe(0);
  });

  it('tells nothing twice, and nothing from before its place', async () => {
    const setting = await new Setting().open(4);
    setting.newest = 6;
    for (const seq of [3, 4, 5, 5, 4, 6, 6, 5]) await setting.hear(seq);
    expect(setting.told).toEqual([5, 6]);
  });

  it('reads on where something is missing or cannot be read, in as many stretches as it takes', async () => {
    const setting = await new Setting().open();
    setting.newest = 11;
    await setting.hear(11);
    expect(setting.told).toEqual(upTo(11));
    setting.newest = 12;
    await setting.hear(null);
    expect(setting.told).toEqual(upTo(12));
  });

  it('tells what comes while it reads after what it reads', async () => {
    const setting = await new Setting().open();
    setting.newest = 2;
    const looking = setting.hear(2);
    setting.newest = 3;
    await setting.hear(3);
    await looking;
    expect(setting.told).toEqual([1, 2, 3]);
  });

  it('loses nothing when the log cannot be read: the next look goes on', async () => {
    const setting = await new Setting().open();
    setting.newest = 5;
    setting.away = true;
    await setting.hear(3);
    await expect(setting.feed.look()).rejects.toThrow('away');
    expect(setting.told).toEqual([]);
    setting.away = false;
    expect(await setting.feed.look()).toBe(5);
    expect(setting.told).toEqual(upTo(5));
  });

  it('skips what is gone and says from where to where', async () => {
    const setting = await new Setting().open();
    setting.newest = 9;
    setting.gone = 6;
    await setting.hear(9);
    expect(setting.told).toEqual([7, 8, 9]);
    setting.newest = 12;
    setting.gone = 12;
    await setting.feed.look();
    setting.newest = 13;
    await setting.hear(13);
    expect(setting.told).toEqual([7, 8, 9, 13]);
    expect(setting.skipped).toEqual([
      [0, 6],
      [9, 12],
    ]);
  });

  it('goes back to where the tenant is when its place is one that never was', async () => {
    const setting = await new Setting().open(20);
    setting.newest = 10;
    await setting.feed.look();
    setting.newest = 11;
    await setting.hear(11);
    expect(setting.told).toEqual([11]);
  });

  it('tells every fact once and in order, whatever is lost, doubled or late on the way', async () => {
    const event = fc.oneof(
      { weight: 4, arbitrary: fc.record({ of: fc.constant('fact'), lost: fc.boolean(), twice: fc.boolean() }) },
      { weight: 1, arbitrary: fc.record({ of: fc.constant('late'), seq: fc.nat(30) }) },
      { weight: 1, arbitrary: fc.record({ of: fc.constant('look') }) },
      { weight: 1, arbitrary: fc.record({ of: fc.constant('away'), away: fc.boolean() }) },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(event, { maxLength: 60 }), fc.boolean(), async (events, hurried) => {
        const setting = await new Setting().open(3);
        for (const each of events) {
          const heard: (number | null)[] = [];
          if ('lost' in each) {
            setting.newest += 1;
            if (!each.lost) heard.push(setting.newest);
            if (each.twice) heard.push(setting.newest);
          }
          if ('seq' in each) heard.push(Math.min(each.seq, setting.newest));
          if ('away' in each) setting.away = each.away;
          const done = heard.map((seq) => setting.hear(seq === 0 ? null : seq));
          if (each.of === 'look')
            done.push(
              setting.feed.look().then(
                () => undefined,
                () => undefined,
              ),
            );
          if (!hurried) await Promise.all(done);
        }
        setting.away = false;
        await turn();
        while (setting.feed.position < setting.newest) await setting.feed.look().then(turn);
        expect(setting.told).toEqual(upTo(setting.newest - 3, 4));
      }),
      { numRuns: 200 },
    );
  });
});
