import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const nodeMajor = 24;
const shownLines = 25;
/** Development packages too, whatever NODE_ENV says: they build and test. */
const quiet = ['--include=dev', '--include=optional', '--no-audit', '--no-fund', '--loglevel=error'];

export const pinnedNode = (root) => join(root, 'node_modules/.bin/node');

/** Installs what the lock file asks for, when it is not there yet, and makes sure of the pinned Node. */
export async function install(root, say) {
  if (!isInstalled(root)) installPackages(root, say);
  if (nodeVersion(root)?.startsWith(`v${nodeMajor}.`)) return;
  say(`Setting up Node ${nodeMajor} …`);
  npm(root, ['rebuild', 'node', '--ignore-scripts=false', '--foreground-scripts']);
  const version = nodeVersion(root);
  if (!version?.startsWith(`v${nodeMajor}.`))
    throw new Error(
      `Praxis runs on the Node ${nodeMajor} that it installs, but node_modules/.bin/node is ${version ?? 'missing'}: ` +
        'its install script was held back. Type: npm rebuild node --ignore-scripts=false',
    );
}

/** True when what lies in node_modules is what the lock says; packages of other platforms may be missing. */
function isInstalled(root) {
  const wanted = packagesIn(join(root, 'package-lock.json'));
  const present = packagesIn(join(root, 'node_modules/.package-lock.json'));
  if (wanted === undefined) throw new Error('package-lock.json is missing');
  if (present === undefined) return false;
  return Object.entries(wanted).every(([path, entry]) => {
    if (path === '') return true;
    const found = present[path];
    return found === undefined ? entry.optional === true : found.version === entry.version;
  });
}

function packagesIn(file) {
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')).packages : undefined;
}

function installPackages(root, say) {
  const startedAt = performance.now();
  say('Installing packages (npm ci) …');
  const clean = npm(root, ['ci', ...quiet]);
  if (clean.status !== 0) {
    say('npm ci did not finish; trying npm install …');
    const plain = npm(root, ['install', '--no-save', ...quiet]);
    if (plain.status !== 0) throw new Error(`Packages could not be installed:\n${tail(clean)}\n${tail(plain)}`);
  }
  say(`Packages installed in ${((performance.now() - startedAt) / 1000).toFixed(1)} s`);
}

/** The npm that runs us, else the one on PATH. */
function npm(root, args) {
  const own = process.env.npm_execpath;
  const [program, ...first] = own?.endsWith('npm-cli.js') ? [process.execPath, own] : ['npm'];
  return spawnSync(program, [...first, ...args], { cwd: root, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
}

function tail(result) {
  const lines = `${result.stdout ?? ''}\n${result.stderr ?? ''}\n${result.error?.message ?? ''}`.trim().split('\n');
  return lines.slice(-shownLines).join('\n');
}

function nodeVersion(root) {
  const node = pinnedNode(root);
  return existsSync(node) ? spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout?.trim() : undefined;
}
