import { createHmac, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import { Secret } from '#infra/config';
import { Ed25519Key } from '#infra/crypto';
import { FixedClock, newId, type SessionId, type TenantId, type UserId } from '#infra/kernel';
import { AccessTokens } from './access-tokens.js';

const start = Date.parse('2026-12-01T09:00:00Z');
const lifetimeMs = 300_000;
const newKey = () => Ed25519Key.fromSecret(new Secret(randomBytes(32).toString('base64')));
const signing = newKey();
const issuer = 'https://praxis.example';
const subject = {
  userId: newId<UserId>(),
  tenantId: newId<TenantId>(),
  sessionId: newId<SessionId>(),
  permissionVersion: 3,
};

const clock = new FixedClock(start);
const tokens = new AccessTokens({ signing, issuer, lifetimeMs }, clock);
beforeEach(() => clock.set(start));

const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
const payload = (text: string) => JSON.parse(Buffer.from(text.split('.')[1]!, 'base64url').toString());
const good = { alg: 'EdDSA', typ: 'at+jwt', kid: signing.kid };

/** A token with this header and these changed claims, signed properly by `by`. */
function made(header: object, changes: object = {}, by: KeyObject = signing.privateKey): string {
  const signed = `${part(header)}.${part({ ...payload(tokens.issue(subject)), ...changes })}`;
  return `${signed}.${sign(null, Buffer.from(signed), by).toString('base64url')}`;
}

describe('an access token', () => {
  it('names user, tenant, session and permission version, and no role', () => {
    const claims = payload(tokens.issue(subject));
    expect(claims).toEqual({
      iss: issuer,
      aud: 'api',
      sub: subject.userId,
      tid: subject.tenantId,
      sid: subject.sessionId,
      pv: 3,
      iat: start / 1_000,
      exp: (start + lifetimeMs) / 1_000,
      jti: expect.any(String),
    });
    expect(tokens.verify(tokens.issue(subject))).toMatchObject({ claims: { sub: subject.userId } });
  });

  it('lives five minutes and five seconds of tolerance, also where it is remembered', () => {
    const remembered = tokens.issue(subject);
    const fresh = tokens.issue(subject);
    tokens.verify(remembered);
    clock.set(start + lifetimeMs + 4_999);
    expect(tokens.verify(remembered)).toHaveProperty('claims');
    clock.set(start + lifetimeMs + 5_000);
    expect(tokens.verify(remembered)).toEqual({ fault: 'expired' });
    expect(tokens.verify(fresh)).toEqual({ fault: 'expired' });
  });

  it('of the other key is taken while keys are exchanged', () => {
    const next = newKey();
    const alsoTrusted = new Map([[signing.kid, signing.publicKey]]);
    const rotated = new AccessTokens({ signing: next, alsoTrusted, issuer, lifetimeMs }, clock);
    expect(rotated.verify(tokens.issue(subject))).toHaveProperty('claims');
    expect(tokens.verify(rotated.issue(subject))).toEqual({ fault: 'unknown_key' });
  });

  const stranger = newKey();
  const jwk = stranger.publicKey.export({ format: 'jwk' });
  const publicPem = signing.publicKey.export({ format: 'pem', type: 'spki' });
  const hs256 = () => {
    const signed = `${part({ ...good, alg: 'HS256' })}.${part(payload(tokens.issue(subject)))}`;
    return `${signed}.${createHmac('sha256', publicPem).update(signed).digest('base64url')}`;
  };
  const rs256 = () => {
    const signed = `${part({ ...good, alg: 'RS256' })}.${part(payload(tokens.issue(subject)))}`;
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    return `${signed}.${sign('sha256', Buffer.from(signed), privateKey).toString('base64url')}`;
  };
  const unsigned = () => `${part({ ...good, alg: 'none' })}.${part(payload(tokens.issue(subject)))}.`;
  const seconds = start / 1_000;

  it.each([
    ['alg none', 'algorithm', unsigned],
    ['alg none in another spelling', 'algorithm', () => made({ ...good, alg: 'NONE' })],
    ['HS256 with the public key as secret', 'algorithm', hs256],
    ['RS256', 'algorithm', rs256],
    ['another type', 'type', () => made({ ...good, typ: 'JWT' })],
    ['no type', 'malformed', () => made({ alg: 'EdDSA', kid: signing.kid })],
    ['an unknown kid', 'unknown_key', () => made({ ...good, kid: stranger.kid }, {}, stranger.privateKey)],
    ['a kid that is a name of every object', 'unknown_key', () => made({ ...good, kid: '__proto__' })],
    ['a jwk of its own', 'signature', () => made({ ...good, jwk }, {}, stranger.privateKey)],
    ['a jku', 'signature', () => made({ ...good, jku: 'https://keys.example/jwks' }, {}, stranger.privateKey)],
    ['an x5u', 'signature', () => made({ ...good, x5u: 'https://keys.example/x5u' }, {}, stranger.privateKey)],
    ['a critical extension', 'malformed', () => made({ ...good, crit: ['b64'], b64: false })],
    ['another issuer', 'issuer', () => made(good, { iss: 'https://else.example' })],
    ['another audience', 'audience', () => made(good, { aud: 'ws' })],
    ['an audience in a list', 'claims', () => made(good, { aud: ['api'] })],
    ['an expiry in the past', 'expired', () => made(good, { iat: seconds - 600, exp: seconds - 300 })],
    ['an issue in the future', 'future', () => made(good, { iat: seconds + 60, exp: seconds + 360 })],
    ['no expiry', 'claims', () => made(good, { exp: undefined })],
    ['an expiry that is text', 'claims', () => made(good, { exp: String(seconds + 300) })],
    ['a tenant that is no id', 'claims', () => made(good, { tid: 'harbor' })],
    ['two parts', 'malformed', () => made(good).split('.').slice(0, 2).join('.')],
    ['four parts', 'malformed', () => `${made(good)}.x`],
    ['nothing', 'malformed', () => ''],
    ['more text than a token has', 'malformed', () => made(good, { jti: 'x'.repeat(3_000) })],
  ])('with %s is refused for its %s', (_, fault, make) => {
    expect(tokens.verify(make())).toEqual({ fault });
  });

  it('with one changed character anywhere is refused, also beside the one that is remembered', () => {
    const token = tokens.issue(subject);
    expect(tokens.verify(token)).toHaveProperty('claims');
    for (let at = 0; at < token.length; at += 1) {
      if (token[at] === '.') continue;
      const changed = token.slice(0, at) + (token[at] === 'A' ? 'B' : 'A') + token.slice(at + 1);
      expect(tokens.verify(changed)).toHaveProperty('fault');
    }
  });
});
