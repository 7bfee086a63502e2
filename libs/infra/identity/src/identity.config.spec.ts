import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { ConfigError, parseConfig } from '#infra/config';
import { identityConfig, signingKeyOf } from './identity.config.js';

const parse = (env: Record<string, string>) => parseConfig({ identity: identityConfig }, env).identity;
const mistakesOf = (env: Record<string, string>): readonly string[] => {
  try {
    parse(env);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.mistakes;
    throw error;
  }
};

describe('the configuration of identity', () => {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const pem = privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
  const x = publicKey.export({ format: 'jwk' }).x ?? '';

  it('takes the signing key as PEM, as PEM in base64 and as a seed', () => {
    const [plain, packed] = [pem, Buffer.from(pem).toString('base64')].map((text) =>
      signingKeyOf(parse({ TOKEN_SIGNING_KEY: text }).signingKey),
    );
    expect(plain?.kid).toBe(packed?.kid);
    expect(parse({ TOKEN_SIGNING_KEY: randomBytes(32).toString('base64') }).accessTtlMs).toBe(300_000);
  });

  it('names a trusted key as its owner does when signing', () => {
    const { trustedKeys, signingKey } = parse({ TOKEN_SIGNING_KEY: pem, TOKEN_TRUSTED_KEYS: x });
    expect(trustedKeys.map((key) => key.kid)).toEqual([signingKeyOf(signingKey).kid]);
  });

  it('refuses other keys without repeating them', () => {
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'pem', type: 'pkcs8' });
    for (const text of [rsa.toString(), 'too short', randomBytes(31).toString('base64')]) {
      const [mistake, ...others] = mistakesOf({ TOKEN_SIGNING_KEY: text });
      expect(mistake).toContain('TOKEN_SIGNING_KEY must be an Ed25519 key');
      expect(mistake).not.toContain(text);
      expect(others).toEqual([]);
    }
    expect(mistakesOf({})[0]).toContain('TOKEN_SIGNING_KEY is required');
    expect(mistakesOf({ TOKEN_SIGNING_KEY: pem, TOKEN_TRUSTED_KEYS: 'x' })[0]).toContain('TOKEN_TRUSTED_KEYS');
  });

  it('keeps the idle limit between 2 and 60 minutes and the session below a day', () => {
    const key = { TOKEN_SIGNING_KEY: pem };
    expect(parse(key)).toMatchObject({ sessionIdleMs: 900_000, sessionMaxMs: 43_200_000, sessionsPerUser: 5 });
    expect(mistakesOf({ ...key, SESSION_IDLE_LIMIT: '60000', SESSION_MAX_AGE: '90000000' })).toHaveLength(2);
  });
});
