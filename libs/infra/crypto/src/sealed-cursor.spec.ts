import fc from 'fast-check';
import { Secret } from '#infra/config';
import { FixedClock, newId, type TenantId } from '#infra/kernel';
import { RootKey } from './root-key.js';
import { type CursorBinding, cursorMaxChars, cursorSpanMs, SealedCursor } from './sealed-cursor.js';
import { type Place, plaintextMaxBytes, TenantCrypto } from './tenant-crypto.js';
import { TenantKeyStore, type WrappedKey } from './tenant-key-store.js';

class Keys extends TenantKeyStore {
  readonly rows = new Map<TenantId, readonly WrappedKey[]>();
  async load(tenantId: TenantId): Promise<readonly WrappedKey[]> {
    return this.rows.get(tenantId) ?? [];
  }
  async add(tenantId: TenantId, _purpose: string, key: WrappedKey): Promise<void> {
    const known = this.rows.get(tenantId) ?? [];
    if (!known.some(({ version }) => version === key.version)) this.rows.set(tenantId, [...known, key]);
  }
}

const root = new RootKey(new Secret('fKPfc9hNfIOJTZ0yoQ4fL5o6h2gUrh3S1Np0rJmT6Wk='));
const start = Date.UTC(2026, 10, 21);
const hourMs = 3_600_000;
const tenant = newId<TenantId>();
const binding: CursorBinding = { userId: newId(), route: 'GET /api/v1/appointments', filterHash: 'q1' };
const keyset = ['2026-11-21T09:00:00Z', '0199c1f0-0000-7000-8000-000000000001'];
const invalid = { code: 'cursor.invalid', kind: 'unparsable' };

function setUp() {
  const [keys, clock] = [new Keys(), new FixedClock(start)];
  return { keys, clock, cursors: new SealedCursor(new TenantCrypto(root, keys, clock), clock) };
}

describe('a sealed cursor', () => {
  it('gives its keyset back to the one it was made for, and stands in a URL as it is', async () => {
    const { cursors } = setUp();
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.oneof(fc.string({ maxLength: 40 }), fc.integer()), { maxLength: 4 }),
        async (keys) => {
          const cursor = await cursors.seal(tenant, binding, keys);
          expect(cursor).toMatch(/^[A-Za-z0-9_-]+$/);
          expect(await cursors.open(tenant, binding, cursor)).toEqual(keys);
        },
      ),
    );
  });

  it.each<[string, TenantId, Partial<CursorBinding>]>([
    ['tenant', newId(), {}],
    ['user', tenant, { userId: newId() }],
    ['route', tenant, { route: 'GET /api/v1/members' }],
    ['filter', tenant, { filterHash: 'q2' }],
  ])('of another %s is refused', async (_, otherTenant, elsewhere) => {
    const { cursors } = setUp();
    await cursors.seal(otherTenant, binding, keyset);
    const cursor = await cursors.seal(tenant, binding, keyset);
    await expect(cursors.open(otherTenant, { ...binding, ...elsewhere }, cursor)).rejects.toMatchObject(invalid);
  });

  it('with any one character changed, added or left out is refused', async () => {
    const { cursors } = setUp();
    const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    // Keysets of three lengths, because the last character of base64url has 0, 2 or 4 idle bits.
    for (const position of ['a', 'ab', 'abc']) {
      const cursor = await cursors.seal(tenant, binding, [position]);
      const changed = [...cursor].flatMap((c, i) =>
        [...letters].filter((l) => l !== c).map((l) => cursor.slice(0, i) + l + cursor.slice(i + 1)),
      );
      const others = [
        `${cursor}=`,
        `${cursor} `,
        `${cursor}A`,
        cursor.slice(1),
        cursor.slice(0, -1),
        `+${cursor}`,
        '',
        '%',
      ];
      for (const bad of [...changed, ...others])
        await expect(cursors.open(tenant, binding, bad)).rejects.toMatchObject(invalid);
    }
  });

  it('lives one hour, or less where that was asked, and never longer', async () => {
    const { cursors, clock } = setUp();
    const open = (cursor: string) => cursors.open(tenant, binding, cursor);
    const usual = await cursors.seal(tenant, binding, keyset);
    const long = await cursors.seal(tenant, binding, keyset, start + 2 * hourMs);
    const short = await cursors.seal(tenant, binding, keyset, start + 1_000);
    clock.advance(1_000);
    await expect(open(short)).rejects.toMatchObject(invalid);
    clock.advance(hourMs - 1_001);
    expect(await Promise.all([open(usual), open(long)])).toEqual([keyset, keyset]);
    clock.advance(1);
    await expect(open(usual)).rejects.toMatchObject(invalid);
    await expect(open(long)).rejects.toMatchObject(invalid);
  });

  it('is the same text for the same place, within ten minutes; and lives fifty minutes at least', async () => {
    const { cursors, clock } = setUp();
    const seal = () => cursors.seal(tenant, binding, keyset);
    const first = await seal();
    clock.advance(cursorSpanMs - 1);
    const late = await seal();
    expect(late).toBe(first);
    clock.advance(1);
    expect(await seal()).not.toBe(first);
    clock.advance(hourMs - cursorSpanMs - 1);
    expect(await cursors.open(tenant, binding, late)).toEqual(keyset);
    clock.advance(1);
    await expect(cursors.open(tenant, binding, late)).rejects.toMatchObject(invalid);
  });

  it('shares neither nonce nor text with that of another place, user, route, filter or tenant', async () => {
    const { cursors } = setUp();
    const places: [TenantId, CursorBinding, unknown][] = [
      [tenant, binding, keyset],
      [tenant, binding, [...keyset, '']],
      [tenant, binding, [keyset.join('')]],
      [tenant, { ...binding, userId: newId() }, keyset],
      [tenant, { ...binding, route: `${binding.route}s` }, keyset],
      [tenant, { ...binding, filterHash: 'q2' }, keyset],
      [newId(), binding, keyset],
    ];
    const texts: string[] = [];
    for (const place of places) texts.push(await cursors.seal(...place));
    const nonces = texts.map((text) => Buffer.from(text, 'base64url').subarray(4, 16).toString('hex'));
    expect(new Set(texts).size).toBe(places.length);
    expect(new Set(nonces).size).toBe(places.length);
  });

  it('is refused, not reported as lost, when its key was destroyed', async () => {
    const { keys, cursors, clock } = setUp();
    const cursor = await cursors.seal(tenant, binding, keyset);
    keys.rows.set(
      tenant,
      keys.rows.get(tenant)!.map((k) => ({ ...k, destroyedAt: start })),
    );
    clock.advance(5 * 60_000);
    await expect(cursors.open(tenant, binding, cursor)).rejects.toMatchObject(invalid);
  });

  it('has a length limit on both ways', async () => {
    const { cursors } = setUp();
    await expect(cursors.seal(tenant, binding, 'x'.repeat(cursorMaxChars))).rejects.toMatchObject({
      code: 'crypto.too_large',
    });
    await expect(cursors.open(tenant, binding, 'A'.repeat(cursorMaxChars + 1))).rejects.toMatchObject(invalid);
  });

  it('passes on the failure of the key store as it is: the client may try again', async () => {
    const { keys, cursors } = setUp();
    const cursor = await cursors.seal(tenant, binding, keyset);
    const elsewhere = new SealedCursor(new TenantCrypto(root, keys, new FixedClock(start)), new FixedClock(start));
    jest.spyOn(keys, 'load').mockRejectedValue(new Error('connection lost'));
    await expect(elsewhere.open(tenant, binding, cursor)).rejects.toThrow('connection lost');
  });
});

describe('an envelope that repeats', () => {
  const place: Place = { table: 'cursor', rowId: newId(), group: 'GET /api/v1/members' };
  const nonceOf = (envelope: Buffer) => envelope.subarray(4, 16);

  it('is the same for the same content and place until the key is rotated, and opens like any other', async () => {
    const { keys, clock } = setUp();
    const [crypto, elsewhere] = [new TenantCrypto(root, keys, clock), new TenantCrypto(root, keys, clock)];
    const seal = (text: string, at = place, by = crypto) => by.sealRepeatably(tenant, at, Buffer.from(text), 'cursor');
    const first = await seal('position');
    expect(await seal('position', place, elsewhere)).toEqual(first);
    const others = await Promise.all([seal('Position'), seal('position', { ...place, group: 'GET /api/v1/users' })]);
    await crypto.rotate(tenant, 'cursor');
    for (const envelope of [...others, await seal('position')]) expect(nonceOf(envelope)).not.toEqual(nonceOf(first));
    expect((await crypto.open(tenant, place, first, 'cursor')).toString()).toBe('position');
    await expect(crypto.open(tenant, { ...place, group: 'else' }, first, 'cursor')).rejects.toMatchObject({
      code: 'crypto.envelope_invalid',
    });
  });

  it('has a limit to its content', async () => {
    const { keys, clock } = setUp();
    const tooMuch = Buffer.alloc(plaintextMaxBytes + 1);
    const sealing = new TenantCrypto(root, keys, clock).sealRepeatably(tenant, place, tooMuch, 'cursor');
    await expect(sealing).rejects.toMatchObject({ code: 'crypto.too_large' });
  });
});
