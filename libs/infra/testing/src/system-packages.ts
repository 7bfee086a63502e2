import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { StackError } from './places.js';

export interface PackageSource {
  /** Names of packages, any of which will do. */
  readonly packages: readonly string[];
  /** True: with everything it needs that is not installed on the machine. */
  readonly withDependencies: boolean;
}

const aptTimeoutMs = 180_000;

export const canFetchPackages = (): boolean => canRun('apt-get') && canRun('dpkg');

export const canRun = (program: string): boolean => run(program, ['--version']).status === 0;

/** In English, whose words are read here. */
const run = (program: string, args: readonly string[], cwd?: string) =>
  spawnSync(program, args, { cwd, encoding: 'utf8', timeout: aptTimeoutMs, env: { ...process.env, LC_ALL: 'C' } });

/**
 * Unpacks the packages into `target`, if they can be fetched. Works as an ordinary user: package lists and archives go
 * to a folder of our own when the system's do not serve. Processes that unpack at once do not see each other's
 * unfinished files: the first to finish wins, and what it made is not touched again while `isWhole()`.
 */
export function unpackPackages(source: PackageSource, target: string, isWhole: () => boolean): void {
  const work = `${target}.${process.pid}`;
  const tree = `${work}.tree`;
  const lists = join(work, 'apt');
  mkdirSync(join(lists, 'lists/partial'), { recursive: true });
  mkdirSync(join(lists, 'cache/archives/partial'), { recursive: true });
  const ownLists = ['-o', `Dir::State::lists=${lists}/lists`, '-o', `Dir::Cache=${lists}/cache`];
  try {
    if (!download(source, work, [])) {
      apt(work, [...ownLists, 'update']);
      if (!download(source, work, ownLists)) return;
    }
    unpack(work, tree);
    putInPlace(tree, target, isWhole);
  } finally {
    rmSync(work, { recursive: true, force: true });
    rmSync(tree, { recursive: true, force: true });
  }
}

function putInPlace(tree: string, target: string, isWhole: () => boolean): void {
  if (isWhole()) return;
  if (existsSync(target)) {
    renameSync(target, `${tree}.old`);
    rmSync(`${tree}.old`, { recursive: true, force: true });
  }
  try {
    renameSync(tree, target);
  } catch (error) {
    if (!isWhole()) throw error;
  }
}

/** True when one of the packages, with what it needs, lies in `work`. */
function download(source: PackageSource, work: string, options: readonly string[]): boolean {
  for (const name of source.packages) {
    const names = source.withDependencies ? missingOf(name, work, options) : [name];
    if (names.length > 0 && apt(work, [...options, 'download', ...names]).done) return true;
  }
  return false;
}

/** The package and its dependencies that are not installed; empty when there is no such package. */
function missingOf(name: string, work: string, options: readonly string[]): readonly string[] {
  const plan = apt(work, [...options, '--simulate', '--no-install-recommends', 'install', name]);
  return plan.done ? [...plan.output.matchAll(/^Inst (\S+)/gm)].map((match) => match[1] ?? '') : [];
}

function apt(cwd: string, args: readonly string[]): { readonly done: boolean; readonly output: string } {
  const options = ['-q', '-o', 'APT::Sandbox::User=root', '-o', 'Debug::NoLocking=true'];
  const { status, stdout } = run('apt-get', [...options, ...args], cwd);
  return { done: status === 0, output: stdout ?? '' };
}

function unpack(work: string, tree: string): void {
  mkdirSync(tree, { recursive: true });
  for (const archive of readdirSync(work).filter((name) => name.endsWith('.deb'))) {
    const { status, stderr } = run('dpkg', ['-x', join(work, archive), tree]);
    if (status !== 0) throw new StackError(`${archive} could not be unpacked:\n${stderr}`);
  }
}
