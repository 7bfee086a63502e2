import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { newPassword } from './cluster-state.js';
import { StackError } from './places.js';

/** Made at the first start of a home and kept, readable by its owner only. */
export interface StackSecrets {
  readonly appPassword: string;
  readonly relayPassword: string;
  readonly readOnlyPassword: string;
  /** 32 bytes in base64, above all tenants' keys: without it nothing encrypted can be read again. */
  readonly rootKey: string;
  /** Ed25519 private key, PKCS 8 PEM in base64. */
  readonly tokenSigningKey: string;
}

export function stackSecrets(home: string): StackSecrets {
  const file = join(home, 'secrets.json');
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as StackSecrets;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw new StackError(`${file} cannot be read`, { cause });
  }
  const made = newSecrets();
  writeFileSync(file, `${JSON.stringify(made, null, 2)}\n`, { mode: 0o600, flag: 'wx' });
  return made;
}

function newSecrets(): StackSecrets {
  const pem = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' });
  return {
    appPassword: newPassword(),
    relayPassword: newPassword(),
    readOnlyPassword: newPassword(),
    rootKey: randomBytes(32).toString('base64'),
    tokenSigningKey: Buffer.from(pem).toString('base64'),
  };
}
