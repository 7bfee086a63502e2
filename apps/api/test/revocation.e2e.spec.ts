import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot, waitUntil } from '#infra/testing';
import { type ApiProcess, type Card, TwoApis } from './revocation-processes.js';

let two: TwoApis;
beforeAll(async () => {
  two = await TwoApis.start();
}, 120_000);
afterAll(() => two?.stop());

const revoke = ({ id }: Card) =>
  two.here.ask(`cards/${id}/revoke`, { token: two.token, ifMatch: '"v1"', body: { reason: 'stolen' } });

/** What a process says before a card is revoked by another one, and at once after that one's answer. */
async function beforeAndAfter(): Promise<readonly string[]> {
  const card = await two.newCard();
  const before = await two.warm(two.there, card);
  await revoke(card);
  return [...before, await two.verify(two.there, card.scan)];
}

const expected = ['valid', 'valid', 'valid', 'revoked'];

describe('a revoked card', () => {
  it('is refused by the first verification after the answer to the revocation, on another api process, with caches warm', async () => {
    expect(two.here.pid).not.toBe(two.there.pid);
    for (let round = 1; round <= 20; round += 1) expect([round, await beforeAndAfter()]).toEqual([round, expected]);
    const { namespaces } = await two.there.ask('optimized-cards/cache-stats', { token: two.token });
    for (const { hits } of [namespaces.qrCodes, namespaces.cardData]) expect(hits).toBeGreaterThanOrEqual(20);
  }, 120_000);

  it('is refused there too while the replica lags behind', async () => {
    const card = await two.newCard();
    await two.databases.freezeReplica();
    try {
      await revoke(card);
      expect(await two.verify(two.there, card.scan)).toBe('revoked');
    } finally {
      await two.databases.thawReplica();
    }
  });

  it('is shown as revoked to staff of its organisation, by both processes at once', async () => {
    const card = await two.newCard();
    await two.warm(two.there, card);
    await revoke(card);
    for (const api of [two.there, two.here]) {
      const { token } = two;
      const inspected = await api.ask('cards/inspect', { token, body: { scan: card.scan } });
      expect(inspected).toMatchObject({ result: 'revoked', card: { id: card.id, status: 'revoked' } });
    }
  });

  it('whose member was suspended elsewhere is not valid from that answer on, and valid again after the reinstatement', async () => {
    const card = await two.newCard();
    await two.warm(two.there, card);
    const { token } = two;
    const change = (verb: string, version: number) =>
      two.here.ask(`members/${card.memberId}/${verb}`, { method: 'POST', token, ifMatch: `"v${version}"` });
    const { version } = await two.here.ask(`members/${card.memberId}`, { token });
    await change('suspend', version);
    expect(await two.verify(two.there, card.scan)).toBe('suspended');
    await change('reinstate', version + 1);
    expect(await two.verify(two.there, card.scan)).toBe('valid');
  });
});

describe('a session that was ended on one api process', () => {
  it('is refused by the other one too, though that one has just served it', async () => {
    const { accessToken: token, sessionId } = await two.here.ask('auth/login', { body: two.login });
    for (let n = 0; n < 5; n += 1) await two.there.ask('members', { token });
    await two.here.ask(`sessions/${sessionId}`, { method: 'DELETE', token: two.token });
    const refused = async () => (await two.there.send('members', { token })).status === 401;
    expect(await waitUntil(refused, 5_000)).toBe(true);
  });
});

describe('the life of a client', () => {
  it('[B-088] goes on whichever process answers each of its requests, with no cookie to lead it back', async () => {
    const answers: Response[] = [];
    let n = 0;
    const inTurn = async (...[path, asking]: Parameters<ApiProcess['send']>) => {
      n += 1;
      const answer = await (n % 2 === 0 ? two.here : two.there).send(path, asking);
      answers.push(answer);
      const text = await answer.text();
      return text === '' ? undefined : JSON.parse(text);
    };
    const first = await inTurn('auth/login', { body: two.login });
    const grant = await inTurn('auth/refresh', { body: { refreshToken: first.refreshToken } });
    const { accessToken: token } = grant;
    const card = await two.newCard();
    for (let version = 1; version <= 6; version += 1) {
      const verb = version % 2 === 1 ? 'suspend' : 'reinstate';
      const changed = await inTurn(`members/${card.memberId}/${verb}`, {
        method: 'POST',
        token,
        ifMatch: `"v${version}"`,
      });
      expect(changed).toMatchObject({ version: version + 1 });
      expect(await inTurn(`members/${card.memberId}`, { token })).toEqual(changed);
    }
    await inTurn('auth/logout', { method: 'POST', token });
    expect(answers.map(({ status }) => status).filter((status) => status >= 300)).toEqual([]);
    expect(answers.map(({ headers }) => headers.get('set-cookie')).filter(Boolean)).toEqual([]);
    expect(sticky(readFileSync(join(projectRoot(), 'deploy/haproxy/haproxy.cfg'), 'utf8'))).toEqual([
      ['websocket', '.if streq("$GATEWAY_POLLING",yes)'],
    ]);
  });

  /** Sections of HAProxy that lead a client back to where it was, and on which condition. */
  function sticky(settings: string): readonly (readonly [string, string])[] {
    const found: (readonly [string, string])[] = [];
    let [section, condition] = ['', ''];
    for (const line of settings.split('\n').map((each) => each.trim())) {
      if (/^(backend|frontend|defaults|listen)\b/.test(line)) section = line.split(' ')[1] ?? '';
      if (line.startsWith('.if')) condition = line;
      if (line.startsWith('.endif')) condition = '';
      if (/^(cookie|stick (on|match|store)|balance source)\b/.test(line)) found.push([section, condition]);
    }
    return found;
  }
});

describe('a card that is ready to show', () => {
  it('[B-061] comes with a signed code that verifies, and that nobody can alter', async () => {
    const { id, memberId } = await two.newCard();
    const { token } = two;
    const made = await two.there.ask(`optimized-cards/generate-data/${memberId}`, { method: 'POST', token });
    expect(made).toMatchObject({
      card: { id, memberId, status: 'active' },
      qr: { svg: expect.stringMatching(/^<svg /) },
    });
    const { payload } = made.qr;
    expect(await two.verify(two.here, payload)).toBe('valid');
    const alphabet = [...new Set(payload)] as string[];
    for (let at = payload.indexOf(':') + 1; at < payload.length; at += 1) {
      const other = alphabet.find((letter) => letter !== payload[at] && letter !== ':');
      const altered = `${payload.slice(0, at)}${other}${payload.slice(at + 1)}`;
      expect([at, await two.verify(two.here, altered)]).toEqual([at, 'unknown']);
    }
  });

  it.each([
    ['[B-026] the data of a card', 'cardData', 1_800],
    ['[B-027] the picture of its code', 'qrCodes', 14_400],
  ])('%s stays in Redis for its time', async (_, strategy, seconds) => {
    await two.warm(two.there, await two.newCard());
    const lives = await two.livesOf(strategy);
    expect(lives.length).toBeGreaterThan(0);
    const newest = Math.max(...lives);
    expect(newest).toBeLessThanOrEqual(1_100 * seconds);
    expect(newest).toBeGreaterThanOrEqual(900 * seconds);
  });

  it('[B-057] is counted in the statistics of four caches, for staff who may see members', async () => {
    const { token } = two;
    const told = await two.there.ask('optimized-cards/cache-stats', { token });
    expect(Object.keys(told.namespaces).sort()).toEqual(['cardData', 'memberData', 'pdfCards', 'qrCodes']);
    for (const counts of Object.values(told.namespaces))
      expect(counts).toEqual(
        expect.objectContaining({ ttl: expect.any(Number), hits: expect.any(Number), misses: expect.any(Number) }),
      );
    const before = told.namespaces.qrCodes.hits;
    const { id } = await two.newCard();
    for (let n = 0; n < 3; n += 1) await two.there.ask(`cards/${id}/qr.svg`, { token });
    const after = (await two.there.ask('optimized-cards/cache-stats', { token })).namespaces.qrCodes.hits;
    expect(after).toBeGreaterThanOrEqual(before + 2);
    const auditor = await two.there.ask('auth/login', { body: await two.newTenant('auditor') });
    expect((await two.there.send('optimized-cards/cache-stats', { token: auditor.accessToken })).status).toBe(403);
    expect((await two.there.send('optimized-cards/cache-stats')).status).toBe(401);
  });
});

describe('a card revoked while Redis is away', () => {
  it('is refused by the first verification on another api process all the same', async () => {
    const cards = [await two.newCard(), await two.newCard()];
    for (const card of cards) await two.warm(two.there, card);
    await two.loseRedis();
    for (const card of cards) {
      await revoke(card);
      expect(await two.verify(two.there, card.scan)).toBe('revoked');
    }
  });
});
