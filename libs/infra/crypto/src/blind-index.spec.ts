import fc from 'fast-check';
import { Secret } from '#infra/config';
import { FixedClock, newId, type TenantId } from '#infra/kernel';
import type { KeyPurpose } from './key-purpose.js';
import { RootKey } from './root-key.js';
import { TenantCrypto } from './tenant-crypto.js';
import { TenantKeyStore, type WrappedKey } from './tenant-key-store.js';
import { indexSettleMs } from './tenant-keys.js';

class Keys extends TenantKeyStore {
  readonly rows: { readonly of: string; readonly key: WrappedKey }[] = [];
  async load(tenantId: TenantId, purpose: KeyPurpose): Promise<readonly WrappedKey[]> {
    return this.rows.filter((row) => row.of === tenantId + purpose).map((row) => row.key);
  }
  async add(tenantId: TenantId, purpose: KeyPurpose, key: WrappedKey): Promise<void> {
    const stored = await this.load(tenantId, purpose);
    if (!stored.some((k) => k.version === key.version)) this.rows.push({ of: tenantId + purpose, key });
  }
}

const root = new RootKey(new Secret('fKPfc9hNfIOJTZ0yoQ4fL5o6h2gUrh3S1Np0rJmT6Wk='));
const [tenant, other] = [newId<TenantId>(), newId<TenantId>()];

function setUp() {
  const [keys, clock] = [new Keys(), new FixedClock(Date.UTC(2026, 10, 21))];
  const process = () => new TenantCrypto(root, keys, clock);
  return { clock, process, crypto: process() };
}

describe('a blind index', () => {
  it('gives 32 bytes, equal in every process for the same tenant, field and text, and for nothing else', async () => {
    const { process, crypto } = setUp();
    const token = await crypto.token(tenant, 'surname', 'achterberg');
    expect(token).toHaveLength(32);
    expect(await process().token(tenant, 'surname', 'achterberg')).toEqual(token);
    expect(await crypto.token(other, 'surname', 'achterberg')).not.toEqual(token);
    expect(await crypto.token(tenant, 'given_name', 'achterberg')).not.toEqual(token);
    expect(await crypto.token(tenant, 'surname', 'achterberh')).not.toEqual(token);
    expect(await crypto.tokensForQuery(tenant, 'surname', 'achterberg')).toEqual([token]);
  });

  it('is found from the first row on by a process that searched when there was none', async () => {
    const { process } = setUp();
    const [writer, searcher] = [process(), process()];
    expect(await searcher.tokensForQuery(tenant, 'surname', 'achterberg')).toEqual([]);
    const token = await writer.token(tenant, 'surname', 'achterberg');
    expect(await searcher.tokensForQuery(tenant, 'surname', 'achterberg')).toEqual([token]);
  });

  it('takes no field name that could run into the text', async () => {
    await expect(setUp().crypto.token(tenant, 'a|b', 'c')).rejects.toThrow(TypeError);
  });

  it('is written under a new key only when every process searches with it, so that no search misses a row', async () => {
    const { clock, process } = setUp();
    const [writer, searcher] = [process(), process()];
    const find = async (token: Buffer) =>
      (await searcher.tokensForQuery(tenant, 'surname', 'achterberg')).some((t) => t.equals(token));
    const old = await writer.token(tenant, 'surname', 'achterberg');
    clock.advance(indexSettleMs);
    expect(await find(old)).toBe(true);
    await writer.rotate(tenant, 'index');
    for (let elapsedMs = 0; elapsedMs <= indexSettleMs; elapsedMs += 30_000) {
      const token = await writer.token(tenant, 'surname', 'achterberg');
      expect(token.equals(old)).toBe(elapsedMs < indexSettleMs);
      expect(await find(token)).toBe(true);
      clock.advance(30_000);
    }
    expect(await searcher.tokensForQuery(tenant, 'surname', 'achterberg')).toHaveLength(2);
    expect(await find(old)).toBe(true);
  });
});

describe('a fingerprint', () => {
  it('is equal for equal parts of one tenant', async () => {
    const { process, crypto } = setUp();
    const fingerprint = await crypto.fingerprint(tenant, ['POST', Buffer.from('{}')]);
    expect(fingerprint).toHaveLength(32);
    expect(await process().fingerprint(tenant, ['POST', '{}'])).toEqual(fingerprint);
    expect(await crypto.fingerprint(other, ['POST', '{}'])).not.toEqual(fingerprint);
  });

  it('differs wherever the parts differ, even where they read the same when joined', async () => {
    const { crypto } = setUp();
    const parts = fc.array(fc.stringMatching(/^[ab:1]{0,3}$/), { maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(parts, parts, async (a, b) => {
        const [one, two] = [await crypto.fingerprint(tenant, a), await crypto.fingerprint(tenant, b)];
        expect(one.equals(two)).toBe(JSON.stringify(a) === JSON.stringify(b));
      }),
      {
        examples: [
          [
            ['ab', 'a'],
            ['a', 'ba'],
          ],
          [[''], []],
          [['1:a'], ['', 'a']],
        ],
      },
    );
  });
});
