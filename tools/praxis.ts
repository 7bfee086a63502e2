import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '#infra/testing';
import { environmentFile } from './stack/home.js';

/** `npm run praxis -- …`: the operator's verbs, on the stack that `npm start` runs. */
const file = environmentFile();
const stack = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Record<string, string>) : {};
const main = join(projectRoot(), 'dist/apps/cli/src/main.js');
const { status } = spawnSync(process.execPath, ['--enable-source-maps', main, ...process.argv.slice(2)], {
  stdio: 'inherit',
  env: { ...process.env, ...stack },
});
process.exitCode = status ?? 1;
