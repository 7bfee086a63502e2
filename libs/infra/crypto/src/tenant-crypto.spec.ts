import { inspect } from 'node:util';
import fc from 'fast-check';
import { Secret } from '#infra/config';
import { FixedClock, newId, type TenantId } from '#infra/kernel';
import type { KeyPurpose } from './key-purpose.js';
import { type KeyWrapper, RootKey } from './root-key.js';
import { type Place, plaintextMaxBytes, TenantCrypto } from './tenant-crypto.js';
import { TenantKeyStore, type WrappedKey } from './tenant-key-store.js';

/** The port's promises in memory: each step takes a turn of the event loop, so that callers interleave. */
class Keys extends TenantKeyStore {
  readonly rows = new Map<string, WrappedKey[]>();
  loads = 0;
  adds = 0;

  async load(tenantId: TenantId, purpose: KeyPurpose): Promise<readonly WrappedKey[]> {
    this.loads += 1;
    const seen = [...this.of(tenantId, purpose)];
    await turn();
    return seen;
  }
  async add(tenantId: TenantId, purpose: KeyPurpose, key: WrappedKey): Promise<void> {
    this.adds += 1;
    await turn();
    const keys = this.of(tenantId, purpose);
    if (!keys.some((k) => k.version === key.version)) this.rows.set(`${tenantId}${purpose}`, [...keys, key]);
  }
  destroy(tenantId: TenantId, purpose: KeyPurpose, version: number): void {
    const keys = this.of(tenantId, purpose).map((k) =>
      k.version === version ? { ...k, wrapped: Buffer.alloc(0), destroyedAt: start } : k,
    );
    this.rows.set(`${tenantId}${purpose}`, keys);
  }
  of(tenantId: TenantId, purpose: KeyPurpose): readonly WrappedKey[] {
    return this.rows.get(`${tenantId}${purpose}`) ?? [];
  }
}

const turn = () => new Promise((resolve) => setImmediate(resolve));
const start = Date.UTC(2026, 10, 21);
const minuteMs = 60_000;
const root = new RootKey(new Secret('fKPfc9hNfIOJTZ0yoQ4fL5o6h2gUrh3S1Np0rJmT6Wk='));
const tenant = newId<TenantId>();
const other = newId<TenantId>();
const place: Place = { table: 'patient', rowId: newId(), group: 'demographics' };
const name = Buffer.from('Wilhelmina Achterberg');
const invalid = { code: 'crypto.envelope_invalid', kind: 'internal' };
const destroyed = { code: 'crypto.key_destroyed', kind: 'gone' };

function setUp(wrapper: KeyWrapper = root) {
  const [keys, clock] = [new Keys(), new FixedClock(start)];
  const process = () => new TenantCrypto(wrapper, keys, clock);
  return { keys, clock, process, crypto: process() };
}

describe('an envelope', () => {
  it('opens where it was sealed, whatever its content', async () => {
    const { crypto } = setUp();
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 4_096 }), fc.uuid(), async (bytes, rowId) => {
        const envelope = await crypto.seal(tenant, { ...place, rowId }, Buffer.from(bytes));
        expect(envelope).toHaveLength(bytes.length + 32);
        expect(await crypto.open(tenant, { ...place, rowId }, envelope)).toEqual(Buffer.from(bytes));
      }),
    );
  });

  it('carries any JSON value', async () => {
    const { crypto } = setUp();
    await fc.assert(
      fc.asyncProperty(fc.jsonValue(), async (value) => {
        const envelope = await crypto.sealJson(tenant, place, value);
        expect(await crypto.openJson(tenant, place, envelope)).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });

  it.each<[string, TenantId, Partial<Place>, 'phi' | 'files']>([
    ['row', tenant, { rowId: newId() }, 'phi'],
    ['table', tenant, { table: 'member' }, 'phi'],
    ['group of fields', tenant, { group: 'insurance' }, 'phi'],
    ['tenant', other, {}, 'phi'],
    ['purpose', tenant, {}, 'files'],
  ])('that was swapped with one of another %s does not open', async (_, otherTenant, elsewhere, purpose) => {
    const { crypto } = setUp();
    const there = { ...place, ...elsewhere };
    const mine = await crypto.seal(tenant, place, name);
    const theirs = await crypto.seal(otherTenant, there, name, purpose);
    await expect(crypto.open(tenant, place, theirs)).rejects.toMatchObject(invalid);
    await expect(crypto.open(otherTenant, there, mine, purpose)).rejects.toMatchObject(invalid);
  });

  it('names its tenant itself, should two tenants ever be handed the same key', async () => {
    const { crypto } = setUp({ wrap: root.wrap.bind(root), unwrap: async () => Buffer.alloc(32, 'k') });
    await crypto.seal(other, place, name);
    const envelope = await crypto.seal(tenant, place, name);
    await expect(crypto.open(other, place, envelope)).rejects.toMatchObject(invalid);
  });

  it('with any one bit flipped, cut short or lengthened does not open', async () => {
    const { crypto } = setUp();
    const envelope = await crypto.seal(tenant, place, name);
    const flipped = [...Array(envelope.length * 8).keys()].map((bit) => {
      const copy = Buffer.from(envelope);
      copy.writeUInt8(copy.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
      return copy;
    });
    const cut = [...envelope.keys()].map((length) => envelope.subarray(0, length));
    for (const bad of [...flipped, ...cut, Buffer.concat([envelope, Buffer.alloc(1)])])
      await expect(crypto.open(tenant, place, bad)).rejects.toMatchObject(invalid);
    expect(await crypto.open(tenant, place, envelope)).toEqual(name);
  });

  it('of the same content differs every time', async () => {
    const { crypto } = setUp();
    const sealed = await Promise.all([...Array(50).keys()].map(() => crypto.seal(tenant, place, name)));
    expect(new Set(sealed.map((e) => e.toString('hex'))).size).toBe(50);
  });

  it('has a place whose parts cannot be read as each other', async () => {
    const { crypto } = setUp();
    for (const part of ['table', 'rowId', 'group'] as const)
      await expect(crypto.seal(tenant, { ...place, [part]: 'a|b' }, name)).rejects.toThrow(TypeError);
  });

  it('holds 16 MiB at most', async () => {
    const { crypto } = setUp();
    await expect(crypto.seal(tenant, place, Buffer.alloc(plaintextMaxBytes + 1))).rejects.toMatchObject({
      code: 'crypto.too_large',
    });
  });

  it('that holds no JSON is refused as JSON without being quoted', async () => {
    const { crypto } = setUp();
    const refusal = await crypto.openJson(tenant, place, await crypto.seal(tenant, place, name)).catch((e) => e);
    expect(refusal).toMatchObject(invalid);
    expect(inspect(refusal)).not.toContain('Wilhelmina');
    await expect(crypto.sealJson(tenant, place, undefined)).rejects.toThrow(TypeError);
  });
});

describe('the keys of a tenant', () => {
  it('are made once when two processes need them at the same moment, and both agree', async () => {
    const { keys, process } = setUp();
    const [a, b] = [process(), process()];
    const sealed = await Promise.all([...Array(40).keys()].map((i) => (i % 2 ? a : b).seal(tenant, place, name)));
    for (const envelope of sealed)
      for (const crypto of [a, b, process()]) expect(await crypto.open(tenant, place, envelope)).toEqual(name);
    expect(keys.of(tenant, 'phi')).toHaveLength(1);
    expect(keys.adds).toBe(2);
  });

  it('are read once by many callers, again after 5 minutes, and not in between', async () => {
    const { keys, clock, process, crypto } = setUp();
    const envelope = await crypto.seal(tenant, place, name);
    const fresh = process();
    keys.loads = 0;
    await Promise.all([...Array(30).keys()].map(() => fresh.open(tenant, place, envelope)));
    clock.advance(5 * minuteMs - 1);
    await fresh.open(tenant, place, envelope);
    expect(keys.loads).toBe(1);
    clock.advance(1);
    await fresh.open(tenant, place, envelope);
    expect(keys.loads).toBe(2);
  });

  it('are not made by reading', async () => {
    const { keys, crypto } = setUp();
    const envelope = await setUp().crypto.seal(tenant, place, name);
    await expect(crypto.open(tenant, place, envelope)).rejects.toMatchObject(invalid);
    expect(await crypto.tokensForQuery(tenant, 'surname', 'achterberg')).toEqual([]);
    expect(keys.adds).toBe(0);
  });

  it('come from the store again after it failed once', async () => {
    const { keys, crypto } = setUp();
    const load = jest.spyOn(keys, 'load').mockRejectedValueOnce(new Error('connection lost'));
    await expect(crypto.seal(tenant, place, name)).rejects.toThrow('connection lost');
    load.mockRestore();
    expect(await crypto.open(tenant, place, await crypto.seal(tenant, place, name))).toEqual(name);
  });

  it('never appear where errors or the objects around them are printed', async () => {
    const seen: Buffer[] = [];
    const { crypto } = setUp({
      wrap: (...args) => {
        seen.push(Buffer.from(args[3]));
        return root.wrap(...args);
      },
      unwrap: (...args) => root.unwrap(...args),
    });
    const envelope = await crypto.seal(tenant, place, name);
    const refusal = await crypto.open(other, place, envelope).catch((e) => e);
    const moved = await crypto.open(tenant, { ...place, rowId: newId() }, envelope).catch((e) => e);
    const shown = [crypto, refusal, moved].map((o) => inspect(o, { depth: 9, showHidden: true })).join('\n');
    expect(seen).toHaveLength(1);
    for (const encoding of ['hex', 'base64', 'base64url', 'latin1'] as const)
      expect(shown).not.toContain(seen[0]!.toString(encoding));
    expect(shown).not.toContain('Wilhelmina');
  });
});

describe('rotation', () => {
  it('[D-112] seals with AES-256-GCM under the new key from then on, and what was sealed before still opens', async () => {
    const { crypto } = setUp();
    const before = await crypto.seal(tenant, place, name);
    expect(await crypto.rotate(tenant, 'phi')).toBe(2);
    const after = await crypto.seal(tenant, place, name);
    expect([before.readUInt16BE(2), after.readUInt16BE(2)]).toEqual([1, 2]);
    for (const envelope of [before, after]) expect(await crypto.open(tenant, place, envelope)).toEqual(name);
  });

  it('is followed by every process at its first envelope under the new key', async () => {
    const { process } = setUp();
    const [a, b] = [process(), process()];
    await b.open(tenant, place, await a.seal(tenant, place, name));
    await a.rotate(tenant, 'phi');
    expect(await b.open(tenant, place, await a.seal(tenant, place, name))).toEqual(name);
  });

  it('is followed even by a process whose reading of the keys began before it', async () => {
    const { keys, process } = setUp();
    const [a, b] = [process(), process()];
    await b.open(tenant, place, await a.seal(tenant, place, name));
    const unknown = Buffer.from(await a.seal(tenant, place, name));
    unknown.writeUInt16BE(9, 2);
    const snapshot = [...keys.of(tenant, 'phi')];
    let release: (rows: readonly WrappedKey[]) => void = () => undefined;
    jest.spyOn(keys, 'load').mockReturnValueOnce(new Promise((resolve) => (release = resolve)));
    const slow = b.open(tenant, place, unknown);
    await a.rotate(tenant, 'phi');
    const joined = b.open(tenant, place, await a.seal(tenant, place, name));
    release(snapshot);
    await expect(slow).rejects.toMatchObject(invalid);
    expect(await joined).toEqual(name);
  });

  it('by two operators at once makes one version', async () => {
    const { keys, process } = setUp();
    await process().seal(tenant, place, name);
    expect(await Promise.all([process().rotate(tenant, 'phi'), process().rotate(tenant, 'phi')])).toEqual([2, 2]);
    expect(keys.of(tenant, 'phi')).toHaveLength(2);
  });
});

describe('a destroyed key', () => {
  it('opens nothing and seals nothing more, at once where it is forgotten and after 5 minutes everywhere', async () => {
    const { keys, clock, process } = setUp();
    const [told, untold] = [process(), process()];
    const envelope = await told.seal(tenant, place, name);
    await untold.open(tenant, place, envelope);
    keys.destroy(tenant, 'phi', 1);
    told.forget(tenant);
    await expect(told.open(tenant, place, envelope)).rejects.toMatchObject(destroyed);
    clock.advance(5 * minuteMs);
    await expect(untold.open(tenant, place, envelope)).rejects.toMatchObject(destroyed);
    await expect(untold.seal(tenant, place, name)).rejects.toMatchObject(destroyed);
    await expect(untold.rotate(tenant, 'phi')).rejects.toMatchObject(destroyed);
    expect(keys.of(tenant, 'phi')).toHaveLength(1);
  });

  it('is not brought back by a reading that was under way when it was forgotten', async () => {
    const { keys, process } = setUp();
    const envelope = await process().seal(tenant, place, name);
    const crypto = process();
    const reading = crypto.open(tenant, place, envelope);
    keys.destroy(tenant, 'phi', 1);
    crypto.forget(tenant);
    await reading;
    await expect(crypto.open(tenant, place, envelope)).rejects.toMatchObject(destroyed);
  });

  it('is gone for whoever asks after it was forgotten, while an earlier reading is still under way', async () => {
    const { keys, process } = setUp();
    const envelope = await process().seal(tenant, place, name);
    const crypto = process();
    const reading = crypto.open(tenant, place, envelope);
    keys.destroy(tenant, 'phi', 1);
    crypto.forget(tenant);
    await expect(crypto.open(tenant, place, envelope)).rejects.toMatchObject(destroyed);
    await reading;
  });

  it('takes only its own version along', async () => {
    const { keys, process } = setUp();
    const crypto = process();
    const old = await crypto.seal(tenant, place, name);
    await crypto.rotate(tenant, 'phi');
    keys.destroy(tenant, 'phi', 1);
    const fresh = process();
    expect(await fresh.open(tenant, place, await fresh.seal(tenant, place, name))).toEqual(name);
    await expect(fresh.open(tenant, place, old)).rejects.toMatchObject(destroyed);
  });
});
