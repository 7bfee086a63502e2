import { generateKeyPairSync } from 'node:crypto';
import { inspect } from 'node:util';
import { Secret } from '#infra/config';
import { Ed25519Key } from './ed25519-key.js';
import { RootKey } from './root-key.js';

/** RFC 8037, appendix A. */
const seed = Buffer.from('nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A', 'base64url').toString('base64');
const signed = 'eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc';
const signature = 'hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg';

describe('an Ed25519 key', () => {
  const key = Ed25519Key.fromSecret(new Secret(seed));

  it('gives the signature and the thumbprint of RFC 8037', () => {
    expect(key.sign(Buffer.from(signed)).toString('base64url')).toBe(signature);
    expect(key.kid).toBe('kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k');
  });

  it('verifies what it signed and nothing else', () => {
    const bytes = Buffer.from(signature, 'base64url');
    expect(key.verify(Buffer.from(signed), bytes)).toBe(true);
    expect(key.verify(Buffer.from(`${signed}A`), bytes)).toBe(false);
  });

  it('is the same key from PEM', () => {
    const pem = key.privateKey.export({ format: 'pem', type: 'pkcs8' }) as string;
    expect(Ed25519Key.fromSecret(new Secret(pem)).kid).toBe(key.kid);
  });

  it('is the same key whenever it is made from the same derived secret', () => {
    const root = new RootKey(new Secret('fKPfc9hNfIOJTZ0yoQ4fL5o6h2gUrh3S1Np0rJmT6Wk='));
    const [first, again] = [Ed25519Key.fromKey(root.derive('signing')), Ed25519Key.fromKey(root.derive('signing'))];
    expect(first.kid).toBe(again.kid);
    expect(first.kid).not.toBe(key.kid);
  });

  it.each([
    ['another curve', generateKeyPairSync('x25519').privateKey.export({ format: 'pem', type: 'pkcs8' }) as string],
    ['a broken PEM', '-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2Vw\n-----END PRIVATE KEY-----'],
    ['16 bytes', 'c2l4dGVlbiBieXRlcyEhIQ=='],
  ])('refuses %s without quoting it', (_, text) => {
    let refusal: unknown;
    try {
      Ed25519Key.fromSecret(new Secret(text));
    } catch (error) {
      refusal = error;
    }
    expect(refusal).toMatchObject({ code: 'crypto.key_unusable' });
    expect(inspect(refusal)).not.toContain(text.split('\n').at(1) ?? text);
  });
});
