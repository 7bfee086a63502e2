import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { parseConfig } from '#infra/config';
import { Readiness } from '#infra/health';
import { newId } from '#infra/kernel';
import { createLog } from '#infra/telemetry';
import { createApp } from '../src/app.js';
import { apiSlices } from '../src/settings.js';
import { scanOf } from './house/scan.js';
import { type Answer, Api, makeSide, newMember, type Side } from './house/world.js';

let api: Api;
/** A second API on the same databases, with pools, connections and memory of its own. */
let elsewhere: NestFastifyApplication;
let side: Side;
let neighbour: Side;

beforeAll(async () => {
  api = await Api.start({ ENABLE_RATE_LIMITING: 'false' });
  side = await makeSide(api, 'shard-1');
  neighbour = await makeSide(api, 'shard-2');
  const settings = parseConfig(apiSlices, { ...api.db.env, LOG_LEVEL: 'error', ENABLE_RATE_LIMITING: 'false' });
  elsewhere = await createApp(settings, { log: createLog(settings.telemetry, { app: 'api', version: '0' }) });
  await elsewhere.getHttpAdapter().getInstance().ready();
  elsewhere.get(Readiness).markStarted();
}, 60_000);
afterAll(async () => {
  await elsewhere?.close();
  await api?.stop();
});

const post = (path: string, body: unknown, headers: Record<string, string> = {}): Promise<Answer> =>
  api.must({ method: 'POST', path, token: side.owner.token, headers, body });

async function newCard(): Promise<{ readonly id: string; readonly scan: string }> {
  const member = await post('/api/v1/members', newMember());
  const card = await post(`/api/v1/members/${member.json.id}/cards`, {});
  return { id: card.json.id, scan: await scanOf(api, side.owner.token, card.json.id) };
}

async function verifyElsewhere(scan: string): Promise<string> {
  const answer = await elsewhere.inject({ method: 'POST', url: '/api/v1/cards/verify', payload: { scan } });
  return answer.statusCode === 200 ? JSON.parse(answer.body).result : answer.body;
}

describe('a revoked card', () => {
  it('is refused by the first verification after the answer to the revocation, by another API whose caches are warm', async () => {
    for (let round = 0; round < 10; round += 1) {
      const { id, scan } = await newCard();
      for (let n = 0; n < 3; n += 1) expect(await verifyElsewhere(scan)).toBe('valid');
      await post(`/api/v1/cards/${id}/revoke`, { reason: 'stolen' }, { 'if-match': '"v1"' });
      expect([round, await verifyElsewhere(scan)]).toEqual([round, 'revoked']);
    }
  });

  it('is valid to no verification that began after the answer, though others are under way all the time', async () => {
    const { id, scan } = await newCard();
    let answered = false;
    let done = false;
    const seen: { readonly late: boolean; readonly result: string }[] = [];
    const askers = Array.from({ length: 4 }, async () => {
      while (!done && seen.length < 5_000) {
        const late = answered;
        seen.push({ late, result: await verifyElsewhere(scan) });
      }
    });
    await verifyElsewhere(scan);
    await post(`/api/v1/cards/${id}/revoke`, { reason: 'lost' }, { 'if-match': '"v1"' });
    answered = true;
    for (let n = 0; n < 20; n += 1) await verifyElsewhere(scan);
    done = true;
    await Promise.all(askers);
    expect(seen.filter(({ late }) => late).length).toBeGreaterThan(10);
    expect(seen.filter(({ late, result }) => late && result !== 'revoked')).toEqual([]);
    expect(seen.some(({ result }) => result === 'valid')).toBe(true);
  });
});

describe('a scanned code', () => {
  it('tells a stranger the verdict alone, and staff of its own organisation whose card it is', async () => {
    const { id, scan } = await newCard();
    const told = await api.must({ method: 'POST', path: '/api/v1/cards/verify', body: { scan, nonce: 'a-1' } });
    expect(told.json).toEqual({ result: 'valid', checkedAt: expect.any(String), nonce: 'a-1' });
    const inspected = await post('/api/v1/cards/inspect', { scan });
    expect(inspected.json).toMatchObject({ result: 'valid', card: { id }, member: { name: { family: 'Sample' } } });
    const { token } = neighbour.owner;
    const abroad = await api.must({ method: 'POST', path: '/api/v1/cards/inspect', token, body: { scan } });
    expect(abroad.json).toMatchObject({ result: 'unknown', card: null, member: null });
  });

  it('that was altered is unknown, and says so as for a code of nobody', async () => {
    const { scan } = await newCard();
    const last = scan.endsWith('0') ? '1' : '0';
    for (const wrong of [scan.slice(0, -1) + last, `${scan}0`, 'MC0:', 'https://example.org', newId()]) {
      const { json } = await api.must({ method: 'POST', path: '/api/v1/cards/verify', body: { scan: wrong } });
      expect(json).toEqual({ result: 'unknown', checkedAt: expect.any(String), nonce: null });
    }
  });

  it('is drawn as SVG and PNG under the types that browsers know, and a refusal stays a problem', async () => {
    const { id } = await newCard();
    for (const [file, type, start] of [
      ['qr.svg', 'image/svg+xml', '<svg '],
      ['qr.png', 'image/png', '\u0089PNG'],
    ] as const) {
      const url = `/api/v1/cards/${id}/${file}`;
      const headers = { authorization: `Bearer ${side.owner.token}` };
      const drawn = await api.app.inject({ method: 'GET', url, headers });
      expect([drawn.statusCode, drawn.headers['content-type'], drawn.headers['cache-control']]).toEqual([
        200,
        type,
        'no-store',
      ]);
      expect(drawn.rawPayload.toString('latin1').startsWith(start)).toBe(true);
      const missing = await api.call({ method: 'GET', path: url.replace(id, newId()), token: side.owner.token });
      expect([missing.status, missing.json?.code, missing.headers['content-type']]).toEqual([
        404,
        'card.not_found',
        expect.stringContaining('application/problem+json'),
      ]);
    }
  });
});
