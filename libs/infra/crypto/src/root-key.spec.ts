import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { ConfigError, parseConfig, Secret } from '#infra/config';
import { newId, type TenantId } from '#infra/kernel';
import { cryptoConfig } from './crypto.config.js';
import { RootKey } from './root-key.js';

const text = 'q83vEjRWeJq83vASNFZ4mrze8BI0VniavN7wEjRWeJo=';
const random = 'fKPfc9hNfIOJTZ0yoQ4fL5o6h2gUrh3S1Np0rJmT6Wk=';
const parse = (environment: Record<string, string>) => parseConfig({ crypto: cryptoConfig }, environment).crypto;

describe('the root key in the environment', () => {
  it('is 32 bytes in base64', () => {
    expect(parse({ ROOT_KEY: random }).rootKey.reveal()).toBe(random);
  });

  it('may stand in a file that ROOT_KEY_FILE names, with a line end', () => {
    const folder = mkdtempSync(join(tmpdir(), 'root-key-'));
    const file = join(folder, 'root.key');
    writeFileSync(file, `${random}\n`, { mode: 0o600 });
    expect(parse({ ROOT_KEY_FILE: file }).rootKey.reveal()).toBe(random);
    rmSync(folder, { recursive: true });
  });

  it.each([
    ['is missing', {}],
    ['has 31 bytes', { ROOT_KEY: Buffer.alloc(31, 7).toString('base64') }],
    ['has 33 bytes', { ROOT_KEY: `${random.slice(0, -1)}AA=` }],
    ['has a stray character', { ROOT_KEY: ` ${random}` }],
    ['repeats itself', { ROOT_KEY: text }],
    ['is all zeros', { ROOT_KEY: Buffer.alloc(32).toString('base64') }],
  ])('stops the start where it %s, without being quoted', (_, environment: Record<string, string>) => {
    const error = catchError(() => parse(environment));
    expect(error).toBeInstanceOf(ConfigError);
    expect(error.message).toContain('ROOT_KEY');
    expect(error.message).not.toContain(environment.ROOT_KEY ?? 'no key');
  });
});

describe('the root key', () => {
  const root = new RootKey(new Secret(random));
  const [tenant, other] = [newId<TenantId>(), newId<TenantId>()];
  const dataKey = Buffer.from('0123456789abcdef0123456789abcdef');

  it('wraps a data key so that it unwraps for the same tenant, purpose and version only', async () => {
    const wrapped = await root.wrap(tenant, 'phi', 3, dataKey);
    expect(wrapped.includes(dataKey)).toBe(false);
    expect(await root.unwrap(tenant, 'phi', 3, wrapped)).toEqual(dataKey);
    await expect(root.unwrap(other, 'phi', 3, wrapped)).rejects.toMatchObject({ code: 'crypto.key_unusable' });
    await expect(root.unwrap(tenant, 'index', 3, wrapped)).rejects.toMatchObject({ code: 'crypto.key_unusable' });
    await expect(root.unwrap(tenant, 'phi', 2, wrapped)).rejects.toMatchObject({ code: 'crypto.key_unusable' });
  });

  it('does not unwrap what another root key wrapped', async () => {
    const foreign = new RootKey(new Secret('X0WQjOQm1aI4r3zBqIuYJmYbVQzS1d2gK7cH0T9nPEo='));
    const wrapped = await foreign.wrap(tenant, 'phi', 1, dataKey);
    await expect(root.unwrap(tenant, 'phi', 1, wrapped)).rejects.toMatchObject({ code: 'crypto.key_unusable' });
  });

  it('derives one lasting 256-bit key for each label', () => {
    const [first, again, second] = [root.derive('jobs'), root.derive('jobs'), root.derive('tokens')];
    expect(first.symmetricKeySize).toBe(32);
    expect(first.equals(again)).toBe(true);
    expect(first.equals(second)).toBe(false);
    expect(first.export().toString('hex')).toBe(
      new RootKey(new Secret(random)).derive('jobs').export().toString('hex'),
    );
  });

  it('shows nothing of itself when it is printed, serialised or refused', () => {
    const bytes = Buffer.from(random, 'base64');
    const shown = [inspect(root, { depth: 9, showHidden: true }), JSON.stringify(root), String(root)].join('\n');
    const refused = inspect(catchError(() => new RootKey(new Secret(text))));
    for (const key of [random, bytes.toString('hex'), bytes.toString('latin1')]) expect(shown).not.toContain(key);
    expect(refused).not.toContain(text);
  });
});

function catchError(fn: () => unknown): Error {
  try {
    fn();
  } catch (error) {
    return error as Error;
  }
  throw new Error('nothing was thrown');
}
