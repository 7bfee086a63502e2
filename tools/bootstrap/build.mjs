import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';

const sources = ['apps', 'libs', 'migrations', 'load', 'tools'];
const compiled = /(?<!\.spec|\.d)\.ts$/;
const assets = /\.(lua|sql|json|html|css|js|svg|png|woff2|txt|yml)$/;
const settings = ['.swcrc', 'package.json', 'package-lock.json'];

/** Compiles every source and copies every asset into dist/ when one of them changed. True when it did. */
export async function build(root, node, say) {
  const files = sources.flatMap((folder) => filesUnder(root, folder));
  const mark = fingerprint(root, [...files, ...settings]);
  const markFile = join(root, 'dist/.built');
  if (existsSync(markFile) && readFileSync(markFile, 'utf8') === mark) return false;
  const startedAt = performance.now();
  rmSync(markFile, { force: true });
  compile(root, node);
  for (const file of files.filter((path) => assets.test(path))) copyInto(root, file);
  removeStale(root, new Set(files));
  writeFileSync(markFile, mark);
  say(`Built in ${((performance.now() - startedAt) / 1000).toFixed(1)} s`);
  return true;
}

function filesUnder(root, folder) {
  if (!existsSync(join(root, folder))) return [];
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory()) return entry.name === 'node_modules' ? [] : filesUnder(root, path);
    return compiled.test(path) || assets.test(path) ? [path] : [];
  });
}

function fingerprint(root, files) {
  const hash = createHash('sha256');
  for (const file of files) {
    const { size, mtimeMs } = statSync(join(root, file));
    hash.update(`${file} ${size} ${mtimeMs}\n`);
  }
  return hash.digest('hex');
}

function compile(root, node) {
  const present = sources.filter((folder) => existsSync(join(root, folder)));
  const swc = join(root, 'node_modules/@swc/cli/bin/swc.js');
  const args = [swc, ...present, '-d', 'dist', '--extensions', '.ts', '--config-file', '.swcrc', '--quiet'];
  const run = spawnSync(node, args, { cwd: root, encoding: 'utf8' });
  if (run.status !== 0) throw new Error(`The build failed:\n${run.stdout}\n${run.stderr}`);
}

function copyInto(root, file) {
  const target = join(root, 'dist', file);
  mkdirSync(dirname(target), { recursive: true });
  copyFileSync(join(root, file), target);
}

/** What a source left behind that is no longer there. */
function removeStale(root, files) {
  for (const folder of sources)
    for (const output of outputsUnder(root, folder)) {
      const source = output.replace(/\.map$/, '').replace(/\.js$/, '.ts');
      if (!files.has(source) && !files.has(output)) rmSync(join(root, 'dist', output));
    }
}

function outputsUnder(root, folder) {
  if (!existsSync(join(root, 'dist', folder))) return [];
  return readdirSync(join(root, 'dist', folder), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    return entry.isDirectory() ? outputsUnder(root, path) : [path];
  });
}
