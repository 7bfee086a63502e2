import { randomBytes } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { Secret } from '#infra/config';
import { RootKey, TenantCrypto, TenantKeyStore, type WrappedKey } from '#infra/crypto';
import { FixedClock, newId } from '#infra/kernel';
import type { Origin, Value } from './entry.js';
import { pack } from './packing.js';
import { valueMaxBytes, WireForm } from './wire-form.js';

/** The port's promises in memory. */
class Keys extends TenantKeyStore {
  readonly #keys = new Map<string, WrappedKey[]>();
  load = async (tenantId: string, purpose: string) => this.#keys.get(tenantId + purpose) ?? [];
  async add(tenantId: string, purpose: string, key: WrappedKey): Promise<void> {
    this.#keys.set(tenantId + purpose, [...(await this.load(tenantId, purpose)), key]);
  }
}

const root = new RootKey(new Secret(randomBytes(32).toString('base64')));
const crypto = new TenantCrypto(root, new Keys(), new FixedClock(Date.parse('2026-11-20T12:00:00Z')));
const tenantId = newId();
const key = `c1:{t:${tenantId}}:general:k`;
const open = new WireForm('general', { compressed: true, encrypted: false }, crypto);
const sealed = new WireForm('qrCodes', { compressed: false, encrypted: true }, crypto);
const both = new WireForm('memberData', { compressed: true, encrypted: true }, crypto);
const raw = 0;
const gzip = 1;

const origin: Origin = {
  clockUs: 1_763_726_400_000_000,
  ttlMs: 300_000,
  costMs: 12,
  seen: { database: 'shard-1', position: 0x1_6b37_4d48n, lineage: '7-1' },
  tags: ['member:1', 'member:2'],
};
const withOrigin = (packed: Buffer): Value => ({ packed, origin });
const roundTrip = async (form: WireForm, packed: Buffer) => form.read(key, await form.write(key, withOrigin(packed)));
/** What follows the line in clear. */
const bodyOf = (stored: Buffer) => stored.subarray(stored.indexOf(10) + 1);
const written = async (form: WireForm, packed: Buffer) => bodyOf(await form.write(key, withOrigin(packed)));
const line = `${origin.clockUs} member:1,member:2\n`;

describe('what lies in Redis', () => {
  it('[A-025, D-038] is raw up to 1,024 bytes and gzip from 1,025 on, where that saves a tenth; it reads back as it was', async () => {
    const small = pack(Buffer.alloc(1_024, 'a'));
    const larger = pack(Buffer.alloc(1_025, 'a'));
    const dense = pack(randomBytes(4_096));
    expect((await written(open, small))[0]).toBe(raw);
    expect((await written(open, larger))[0]).toBe(gzip);
    expect((await written(open, dense))[0]).toBe(raw);
    for (const packed of [small, larger, dense, pack({ list: Array(500).fill('again') })])
      for (const form of [open, both]) expect(await roundTrip(form, packed)).toEqual({ kind: 'value', packed, origin });
  });

  it('is gzip only where it comes out a tenth smaller', async () => {
    const noise = randomBytes(10_000);
    const mixed = (share: number) => pack(Buffer.concat([noise, Buffer.alloc(Math.round(10_000 * share), 'a')]));
    for (const share of [0.05, 0.1, 0.12, 0.2]) {
      const packed = mixed(share);
      const saves = gzipSync(packed).length <= packed.length * 0.9;
      expect([share, (await written(open, packed))[0]]).toEqual([share, saves ? gzip : raw]);
    }
  });

  it('[C-147] is in a strategy for personal data an AES-256-GCM envelope bound to its key, without a word in clear', async () => {
    const packed = pack({ name: 'Zebulon Quirkheim' });
    const stored = await sealed.write(key, withOrigin(packed));
    const aes256gcm = 1;
    expect([stored.toString('latin1', 0, line.length), bodyOf(stored)[1]]).toEqual([line, aes256gcm]);
    for (const word of ['Zebulon', 'Quirkheim', 'name']) expect(stored.includes(word)).toBe(false);
    expect(await sealed.read(key, stored)).toEqual({ kind: 'value', packed, origin });
    const moved = [`${key}2`, key.replace('general', 'qrCodes'), key.replace(tenantId, newId())];
    for (const elsewhere of moved) expect(await sealed.read(elsewhere, stored)).toEqual({ kind: 'refused' });
    expect(await both.read(key, stored)).toEqual({ kind: 'refused' });
    for (const at of [0, 2, 6, 20, stored.length - 1]) {
      const changed = Buffer.from(stored);
      changed[at] = (changed[at] ?? 0) ^ 1;
      expect([at, await sealed.read(key, changed)]).toEqual([at, { kind: 'refused' }]);
    }
    expect(await sealed.read(key, await open.write(key, withOrigin(packed)))).toEqual({ kind: 'refused' });
  });

  it('is refused where it is none of our forms, or unpacks to more than a value may have', async () => {
    const head = Buffer.concat([Buffer.from(line), (await written(open, pack(1))).subarray(0, -2)]);
    const start = line.length;
    const gzipHead = Buffer.from(head);
    gzipHead[start] = gzip;
    const bomb = Buffer.concat([gzipHead, gzipSync(Buffer.alloc(valueMaxBytes + 2, 'j'))]);
    const broken = Buffer.concat([head, Buffer.from('j{')]);
    const foreign = [Buffer.alloc(0), Buffer.of(raw), Buffer.from(`${line}\u0001\u0000\u0002`), broken, bomb];
    for (const bytes of [...foreign, Buffer.from('{"a":1}')])
      expect(await open.read(key, bytes)).toEqual({ kind: 'refused' });
  });

  it('is refused where its line in clear says something else than its origin, which is sealed with the value', async () => {
    const packed = pack({ a: 1 });
    for (const form of [open, sealed]) {
      const stored = await form.write(key, withOrigin(packed));
      const lines = [`${origin.clockUs + 1} member:1,member:2`, `${origin.clockUs} member:1`, `${origin.clockUs} `, ''];
      for (const other of lines) {
        const changed = Buffer.concat([Buffer.from(`${other}\n`), bodyOf(stored)]);
        expect([other, await form.read(key, changed)]).toEqual([other, { kind: 'refused' }]);
      }
    }
  });
});
