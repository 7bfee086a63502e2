import { waitUntil } from '#infra/testing';
import { type ApiProcess, type Card, TwoApis } from './revocation-processes.js';

/** Nobody may be shown what was changed longer ago than this. */
const oldestMs = 1_000;
let two: TwoApis;
beforeAll(async () => {
  two = await TwoApis.start();
}, 120_000);
afterAll(() => two?.stop());

/** By id and by id number: the status that this process shows, and where it has it from. */
async function shown(api: ApiProcess, { memberId, idNumber }: Card, seen?: string) {
  const { token } = two;
  const byId = await api.send(`members/${memberId}`, { token, seen });
  const body = { idScheme: 'generic', idNumber };
  const byNumber = await api.send('members/lookup', { token, body, seen });
  const statuses = [byId, byNumber].map(async (answer) => ((await answer.json()) as { status: string }).status);
  return { statuses: await Promise.all(statuses), from: byNumber.headers.get('x-cache') };
}

/** Changes the member on one process; what the other one needs to know of it. */
async function change({ memberId }: Card, verb: 'suspend' | 'reinstate', version: number): Promise<string> {
  const ifMatch = `"v${version}"`;
  const answer = await two.here.send(`members/${memberId}/${verb}`, { method: 'POST', token: two.token, ifMatch });
  expect(answer.status).toBe(200);
  const seen = answer.headers.get('x-consistency-token');
  if (seen === null) throw new Error('a write on a shard with a replica tells where it stands');
  return seen;
}

/** In memory of the other process, as it was. */
async function warmed(card: Card, status: string): Promise<void> {
  const both = [status, status];
  const isWarm = async () => {
    const { statuses, from } = await shown(two.there, card);
    return from === 'L1' && String(statuses) === String(both);
  };
  expect(await waitUntil(isWarm, 10_000)).toBe(true);
}

/** The other process stops showing what was, and never shows it to a request that began later than a second from now. */
async function expectNobodyShown(card: Card, old: string, changedAt: number): Promise<void> {
  const tooLate: string[] = [];
  const isGone = async () => {
    const begun = Date.now();
    const { statuses } = await shown(two.there, card);
    if (statuses.includes(old) && begun - changedAt > oldestMs) tooLate.push(String(statuses));
    return !statuses.includes(old);
  };
  expect(await waitUntil(isGone, 10_000)).toBe(true);
  expect(tooLate).toEqual([]);
}

const states = { suspend: ['active', 'suspended'], reinstate: ['suspended', 'active'] } as const;
const verbOf = (round: number) => (round % 2 === 1 ? 'suspend' : 'reinstate');

describe('A changed entity is never served from cache, on any process, to a request that carries the write’s consistency token, and at most 1 s later to anyone', () => {
  it('a member who was changed on another process is shown as it is to whoever knows of the change', async () => {
    const card = await two.newCard();
    for (let round = 1; round <= 20; round += 1) {
      const [old, now] = states[verbOf(round)];
      await warmed(card, old);
      const seen = await change(card, verbOf(round), round);
      expect([round, (await shown(two.there, card, seen)).statuses]).toEqual([round, [now, now]]);
      expect((await shown(two.here, card, seen)).statuses).toEqual([now, now]);
    }
  }, 120_000);

  it('to anyone, it is so within a second', async () => {
    const card = await two.newCard();
    for (let round = 1; round <= 10; round += 1) {
      const [old] = states[verbOf(round)];
      await warmed(card, old);
      await change(card, verbOf(round), round);
      await expectNobodyShown(card, old, Date.now());
    }
  }, 120_000);

  it('a service that was renamed on another process, and the list of services, are so at once for whoever knows of it, within a second for anyone', async () => {
    const { token } = two;
    const segments = [{ kind: 'provider', offsetMin: 0, durationMin: 30 }];
    const grid = { stepMin: 15, anchor: 'midnight' };
    const made = await two.here.ask('services', { token, body: { name: 'name 1', durationMin: 30, segments, grid } });
    const names = async (api: ApiProcess, seen?: string): Promise<readonly string[]> => {
      const one = (await (await api.send(`services/${made.id}`, { token, seen })).json()) as { name: string };
      const all = (await (await api.send('services', { token, seen })).json()) as {
        data: { id: string; name: string }[];
      };
      return [one.name, all.data.find(({ id }) => id === made.id)?.name ?? 'missing'];
    };
    for (let version = 1; version <= 10; version += 1) {
      for (const api of [two.here, two.there, two.there]) await names(api);
      const [old, now] = [`name ${version}`, `name ${version + 1}`];
      const ifMatch = `"v${version}"`;
      const body = { name: now };
      const changed = await two.here.send(`services/${made.id}`, { method: 'PATCH', token, ifMatch, body });
      const changedAt = Date.now();
      expect(changed.status).toBe(200);
      const seen = changed.headers.get('x-consistency-token') ?? '';
      if (version % 2 === 0) expect(await names(two.there, seen)).toEqual([now, now]);
      const tooLate: string[] = [];
      const isGone = async () => {
        const begun = Date.now();
        const told = await names(two.there);
        if (told.includes(old) && begun - changedAt > oldestMs) tooLate.push(String(told));
        return !told.includes(old);
      };
      expect(await waitUntil(isGone, 10_000)).toBe(true);
      expect(tooLate).toEqual([]);
    }
  }, 120_000);

  it('both hold while no process hears another, Redis being cut off from all', async () => {
    for (let round = 0; round < 3; round += 1) {
      const [known, unknown] = [await two.newCard(), await two.newCard()];
      for (const card of [known, unknown]) await warmed(card, 'active');
      await two.withoutRedis(async () => {
        const seen = await change(known, 'suspend', 1);
        expect((await shown(two.there, known, seen)).statuses).toEqual(['suspended', 'suspended']);
        await change(unknown, 'suspend', 1);
        await expectNobodyShown(unknown, 'active', Date.now());
      });
      expect((await shown(two.there, unknown)).statuses).toEqual(['suspended', 'suspended']);
    }
  }, 120_000);

  it('somebody who is enrolled is found by whoever was told that there is nobody, on both processes', async () => {
    const { token } = two;
    const idNumber = `P${Date.now()}7`;
    const find = (api: ApiProcess) => api.send('members/lookup', { token, body: { idScheme: 'generic', idNumber } });
    for (const api of [two.here, two.there]) for (let n = 0; n < 2; n += 1) expect((await find(api)).status).toBe(404);
    await two.here.ask('members', {
      token,
      body: {
        name: { given: 'Late', family: 'Comer' },
        idScheme: 'generic',
        idNumber,
        membership: { from: '2020-01-01', tz: 'Africa/Johannesburg' },
      },
    });
    expect((await find(two.here)).status).toBe(200);
    expect(await waitUntil(async () => (await find(two.there)).status === 200, 5_000)).toBe(true);
  });

  it('[B-059] the entry of a member stays in Redis for an hour, a tenth more or less', async () => {
    await warmed(await two.newCard(), 'active');
    const lives = await two.livesOf('memberData');
    const newest = Math.max(...lives);
    expect(newest).toBeGreaterThanOrEqual(0.9 * 3_600_000 - 60_000);
    for (const life of lives) expect(life).toBeLessThanOrEqual(1.1 * 3_600_000);
  });
});
