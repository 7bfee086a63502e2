import { createSecretKey, randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { newId, type SessionId, type TenantId } from '#infra/kernel';
import {
  firstRefreshToken,
  judgeRefresh,
  type RefreshFamily,
  type RefreshToken,
  readRefreshToken,
  refreshDigest,
  successorOf,
  writeRefreshToken,
} from './refresh-token.js';

const key = createSecretKey(randomBytes(32));
const other = createSecretKey(randomBytes(32));
const first = () => firstRefreshToken(newId<TenantId>(), newId<SessionId>());

describe('the text of a refresh token', () => {
  it('gives the token back, and nothing when any character differs', () => {
    const token = first();
    const text = writeRefreshToken(token, key);
    expect(text).toMatch(/^prt_[A-Za-z0-9_-]{107}$/);
    expect(readRefreshToken(text, key)).toEqual(token);
    for (let at = 0; at < text.length; at += 1) {
      const changed = text.slice(0, at) + (text[at] === 'A' ? 'B' : 'A') + text.slice(at + 1);
      expect(readRefreshToken(changed, key)).toBeNull();
    }
  });

  it('is nothing under another key, and garbage is nothing', () => {
    expect(readRefreshToken(writeRefreshToken(first(), other), key)).toBeNull();
    fc.assert(fc.property(fc.string(), (text) => readRefreshToken(`prt_${text}`, key) === null));
  });

  it('does not tell what the next one will be without the key', () => {
    const token = first();
    expect(successorOf(token, key)).toEqual(successorOf(token, key));
    expect(successorOf(token, other).secret.equals(successorOf(token, key).secret)).toBe(false);
  });
});

/** A session as the database keeps it, and what its holders see. */
class Family {
  private family: RefreshFamily;
  dead = false;

  constructor(token: RefreshToken) {
    this.family = { issued: refreshDigest(token), used: null };
  }

  present(token: RefreshToken): RefreshToken | null {
    if (this.dead) return null;
    const digest = refreshDigest(token);
    const verdict = judgeRefresh(this.family, digest);
    if (verdict === 'theft') {
      this.dead = true;
      return null;
    }
    const successor = successorOf(token, key);
    if (verdict === 'rotate') this.family = { issued: refreshDigest(successor), used: digest };
    return successor;
  }
}

describe('a family of refresh tokens', () => {
  it('stays alive for one honest client, whichever answers are lost and however often it repeats', () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { maxLength: 200 }), (arrives) => {
        let held = first();
        const family = new Family(held);
        for (const answered of arrives) {
          const successor = family.present(held);
          expect(successor).not.toBeNull();
          if (answered) held = successor!;
        }
        expect(family.dead).toBe(false);
      }),
    );
  });

  it('ends when a token is presented after the use of its successor', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 30 }), fc.nat(), (uses, pick) => {
        const chain = [first()];
        const family = new Family(chain[0]!);
        for (let n = 0; n < uses; n += 1) chain.push(family.present(chain[n]!)!);
        const stolen = chain[pick % (uses - 1)]!;
        expect(family.present(stolen)).toBeNull();
        expect(family.dead).toBe(true);
        expect(family.present(chain.at(-1)!)).toBeNull();
      }),
    );
  });

  it('gives thief and owner away as soon as one of them is a step ahead', () => {
    const stolen = first();
    const family = new Family(stolen);
    const ownerHolds = family.present(stolen)!;
    const thiefHolds = family.present(stolen)!;
    expect(thiefHolds).toEqual(ownerHolds);
    const ahead = family.present(thiefHolds)!;
    expect(family.present(ahead)).not.toBeNull();
    expect(family.present(ownerHolds)).toBeNull();
    expect(family.dead).toBe(true);
  });
});
