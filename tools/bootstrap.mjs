// The door of every npm script: makes a clean clone ready, then runs the asked command on the pinned Node.
// Plain Node ≥ 18 without dependencies, because it runs before anything is installed.
import { spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from './bootstrap/build.mjs';
import { install, pinnedNode } from './bootstrap/install.mjs';
import { holdRun, withLock } from './bootstrap/lock.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const startedAtMs = Date.now();
const say = (line) => console.log(line);

/** What runs, and whether it holds the stack for itself until it ends. */
const commands = {
  start: { script: 'dist/tools/start.js', holds: true },
  dev: { script: 'dist/tools/start.js', args: ['--dev'], holds: true },
  reset: { script: 'dist/tools/reset.js', holds: true },
  test: { script: 'tools/test.mjs' },
  requirements: { script: 'dist/tools/requirements.js' },
  praxis: { script: 'dist/tools/praxis.js' },
  bench: { named: 'load/bench' },
  drill: { named: 'load/drills' },
  'config-docs': { script: 'dist/tools/config-docs.js' },
  build: {},
};

process.chdir(root);
try {
  process.exitCode = await main(...process.argv.slice(2));
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}

async function main(name = '', ...args) {
  const command = commands[name];
  if (command === undefined) throw new Error(`commands: ${Object.keys(commands).join(', ')}`);
  const script = command.named === undefined ? command.script : namedScript(name, command.named, args.shift());
  if (script === null) return 1;
  const release = command.holds ? holdRun(root) : () => {};
  try {
    await withLock(root, async () => {
      await install(root, say);
      await build(root, pinnedNode(root), say);
    });
    return script === undefined ? 0 : await run(script, [...(command.args ?? []), ...args]);
  } finally {
    release();
  }
}

/** `npm run drill -- slot-race` → dist/load/drills/slot-race.js; lists the names when none fits. */
function namedScript(kind, folder, name) {
  const names = existsSync(folder)
    ? readdirSync(folder)
        .filter((file) => /^[a-z0-9-]+\.ts$/.test(file))
        .map((file) => file.slice(0, -3))
    : [];
  if (names.includes(name)) return join('dist', folder, `${name}.js`);
  const all = names.length === 0 ? '  (none yet)' : names.map((each) => `  npm run ${kind} -- ${each}`).join('\n');
  say(`${name === undefined ? `Name a ${kind}` : `There is no ${kind} named ${name}`}:\n${all}`);
  return null;
}

/** Never the shell's node: `node_modules/.bin/node`, first on PATH for everything below it too. */
function run(script, args) {
  const node = pinnedNode(root);
  const child = spawn(node, ['--enable-source-maps', script, ...args], {
    stdio: 'inherit',
    env: { ...process.env, PATH: `${dirname(node)}:${process.env.PATH}`, PRAXIS_STARTED_AT_MS: String(startedAtMs) },
  });
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(name, () => child.kill(name));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => resolve(code ?? 128 + (constants.signals[signal] ?? 0)));
  });
}
