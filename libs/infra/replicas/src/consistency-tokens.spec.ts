import { createSecretKey, randomBytes } from 'node:crypto';
import { FixedClock, newId, type TenantId } from '#infra/kernel';
import { ConsistencyTokens } from './consistency-tokens.js';

const clock = new FixedClock(1_800_000_000_000);
const tokens = new ConsistencyTokens(createSecretKey(randomBytes(32)), clock);
const tenant = newId<TenantId>();
const seen = { database: 'shard-12', position: 0x16b374d848n, lineage: '7412345678901234567-0000000A' };

describe('a consistency token', () => {
  it('says where the write stands, and after 30 s that it is old', () => {
    const token = tokens.issue(tenant, seen);
    expect(tokens.read(tenant, token)).toEqual(seen);
    clock.advance(29_999);
    expect(tokens.read(tenant, token)).toEqual(seen);
    clock.advance(1);
    expect(tokens.read(tenant, token)).toEqual({ ...seen, old: true });
  });

  it('says nothing to another tenant, of another house, or with one character changed', () => {
    const token = tokens.issue(tenant, seen);
    expect(tokens.read(newId<TenantId>(), token)).toBe('unknown');
    const others = new ConsistencyTokens(createSecretKey(randomBytes(32)), clock);
    expect(others.read(tenant, token)).toBe('unknown');
    for (let n = 0; n < token.length - 1; n += 1) {
      const changed = `${token.slice(0, n)}${token[n] === '1' ? '2' : '1'}${token.slice(n + 1)}`;
      expect(tokens.read(tenant, changed)).toBe('unknown');
    }
    for (const text of ['', '.', 'x'.repeat(10_000), `${token}.`]) expect(tokens.read(tenant, text)).toBe('unknown');
  });
});
