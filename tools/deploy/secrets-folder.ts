import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { projectRoot } from '#infra/testing';
import type { Environment } from './compose.js';

/** A folder of secrets made by the operator's own script, with mail set up as an operator would. */
export function makeSecretsFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'secrets-'));
  execFileSync('sh', [join(projectRoot(), 'deploy/make-secrets.sh'), folder], { stdio: 'pipe' });
  chmodSync(join(folder, 'smtp_url'), 0o600);
  writeFileSync(join(folder, 'smtp_url'), 'smtps://praxis:letters@mail.example');
  return folder;
}

/** A service's environment on this machine: what the container has under /run/secrets lies in the folder. */
export const withSecretsIn = (folder: string, environment: Environment): Environment =>
  Object.fromEntries(
    Object.entries(environment).map(([name, value]) => [
      name,
      String(value).replace(/^\/run\/secrets\//, `${folder}/`),
    ]),
  );
