import { createHash, createPublicKey, type KeyObject } from 'node:crypto';
import { integer, list, Secret, secret, slice, text, url, type Values } from '#infra/config';
import { Ed25519Key } from '#infra/crypto';

const minute = 60_000;
const hour = 60 * minute;

interface TrustedKey {
  readonly kid: string;
  readonly publicKey: KeyObject;
  toString(): string;
}

/** The `x` of an Ed25519 public key as a JWK has it. */
const publicKeyItem = {
  shape: 'Ed25519 public key (the x of its JWK)',
  parse: (x: string): TrustedKey => {
    if (!/^[A-Za-z0-9_-]{43}$/.test(x))
      throw new Error('must hold Ed25519 public keys, 43 characters of base64url each');
    const publicKey = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
    const kid = createHash('sha256')
      .update(JSON.stringify({ crv: 'Ed25519', kty: 'OKP', x }))
      .digest('base64url');
    return { kid, publicKey, toString: () => x };
  },
};

const ms = (env: string, description: string, [least, usual, most]: readonly [number, number, number]) =>
  integer(env, { description, default: usual, min: least, max: most, unit: 'milliseconds' });

export const identityConfig = slice(
  'Identity',
  {
    signingKey: secret('TOKEN_SIGNING_KEY', {
      description: 'Ed25519 key that signs access tokens: PEM (PKCS #8), the same in base64, or 32 bytes in base64',
    }),
    trustedKeys: list('TOKEN_TRUSTED_KEYS', publicKeyItem, {
      description: 'public keys of earlier or coming signing keys, while keys are exchanged',
      default: [],
    }),
    issuer: text('TOKEN_ISSUER', { description: 'issuer named in access tokens', default: 'praxis' }),
    appUrl: url('APP_URL', ['http', 'https'], {
      description: 'where people reach the product: the start of links in mails',
      default: 'http://localhost:3000',
    }),
    accessTtlMs: ms('ACCESS_TOKEN_TTL', 'life of an access token', [minute, 5 * minute, 15 * minute]),
    sessionMaxMs: ms('SESSION_MAX_AGE', 'a session ends this long after its login', [hour, 12 * hour, 24 * hour]),
    sessionIdleMs: ms('SESSION_IDLE_LIMIT', 'a session ends when unused for this long', [
      2 * minute,
      15 * minute,
      60 * minute,
    ]),
    sessionsPerUser: integer('SESSIONS_PER_USER', {
      description: 'sessions that one user has at once; a further login ends the oldest',
      default: 5,
      min: 1,
      max: 100,
    }),
    invitationTtlMs: ms('INVITATION_TTL', 'how long an invitation can be accepted', [hour, 168 * hour, 720 * hour]),
    passwordResetTtlMs: ms('PASSWORD_RESET_TTL', 'how long a link for a new password works', [
      5 * minute,
      30 * minute,
      24 * hour,
    ]),
  },
  ({ signingKey }) => {
    try {
      signingKeyOf(signingKey);
      return [];
    } catch {
      return ['TOKEN_SIGNING_KEY must be an Ed25519 key: `openssl genpkey -algorithm ed25519 | base64 -w0` makes one'];
    }
  },
);

export type IdentityConfig = Values<typeof identityConfig.variables>;

const pemStart = '-----BEGIN';

/** Container secrets carry a PEM as one line of base64. */
export function signingKeyOf(secretKey: Secret): Ed25519Key {
  const decoded = Buffer.from(secretKey.reveal(), 'base64').toString('utf8');
  return Ed25519Key.fromSecret(decoded.startsWith(pemStart) ? new Secret(decoded) : secretKey);
}
