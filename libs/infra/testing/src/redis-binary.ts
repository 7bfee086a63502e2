import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { StackError } from './places.js';

export interface RedisBinary {
  readonly program: string;
  /** Folders of libraries that came with it and are not installed on the machine. */
  readonly libraryPath: string | undefined;
}

const programs = ['redis-server', 'valkey-server'] as const;
const aptTimeoutMs = 180_000;

/** From PATH, else from an earlier unpacking, else from the system's packages, unpacked without installing them. */
export function redisBinary(home: string, note: (line: string) => void): RedisBinary {
  const unpacked = join(home, 'redis-server');
  const found = onPath() ?? inFolder(unpacked);
  if (found !== undefined) return found;
  if (!canRun('apt-get') || !canRun('dpkg')) throw new StackError(whatToType());
  note('Redis is not on PATH: unpacking it from the system’s packages (nothing is installed)');
  unpackFromPackages(unpacked);
  const made = inFolder(unpacked);
  if (made === undefined) throw new StackError(whatToType());
  return made;
}

function onPath(): RedisBinary | undefined {
  for (const folder of (process.env.PATH ?? '').split(delimiter))
    for (const program of programs)
      if (folder !== '' && isExecutable(join(folder, program)))
        return { program: join(folder, program), libraryPath: undefined };
  return undefined;
}

function inFolder(folder: string): RedisBinary | undefined {
  const program = programs.map((name) => join(folder, 'usr/bin', name)).find(isExecutable);
  return program === undefined ? undefined : { program, libraryPath: libraryFolders(folder).join(':') };
}

function libraryFolders(folder: string): readonly string[] {
  const roots = [join(folder, 'usr/lib'), join(folder, 'lib')].filter((path) => existsSync(path));
  const below = roots.flatMap((root) =>
    readdirSync(root, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => join(root, entry.name)),
  );
  return [...roots, ...below];
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

const canRun = (program: string): boolean => spawnSync(program, ['--version'], { stdio: 'ignore' }).status === 0;

/** Works as an ordinary user: package lists and archives go to a folder of our own when the system's do not serve. */
function unpackFromPackages(target: string): void {
  const work = `${target}.${process.pid}`;
  const lists = join(work, 'apt');
  mkdirSync(join(lists, 'lists/partial'), { recursive: true });
  mkdirSync(join(lists, 'cache/archives/partial'), { recursive: true });
  const ownLists = ['-o', `Dir::State::lists=${lists}/lists`, '-o', `Dir::Cache=${lists}/cache`];
  try {
    if (!download(work, [])) {
      apt(work, [...ownLists, 'update']);
      if (!download(work, ownLists)) return;
    }
    unpack(work, `${work}.tree`);
    rmSync(target, { recursive: true, force: true });
    renameSync(`${work}.tree`, target);
  } finally {
    rmSync(work, { recursive: true, force: true });
    rmSync(`${work}.tree`, { recursive: true, force: true });
  }
}

/** True when a package of Redis or Valkey, with everything it needs that is not installed, lies in `work`. */
function download(work: string, options: readonly string[]): boolean {
  for (const name of programs) {
    const plan = apt(work, [...options, '--simulate', '--no-install-recommends', 'install', name]);
    const packages = [...plan.output.matchAll(/^Inst (\S+)/gm)].map((match) => match[1] ?? '');
    if (plan.done && packages.length > 0 && apt(work, [...options, 'download', ...packages]).done) return true;
  }
  return false;
}

function apt(cwd: string, args: readonly string[]): { readonly done: boolean; readonly output: string } {
  const options = ['-q', '-o', 'APT::Sandbox::User=root', '-o', 'Debug::NoLocking=true'];
  const run = spawnSync('apt-get', [...options, ...args], {
    cwd,
    encoding: 'utf8',
    timeout: aptTimeoutMs,
    env: { ...process.env, LC_ALL: 'C' },
  });
  return { done: run.status === 0, output: run.stdout ?? '' };
}

function unpack(work: string, tree: string): void {
  mkdirSync(tree, { recursive: true });
  for (const archive of readdirSync(work).filter((name) => name.endsWith('.deb'))) {
    const run = spawnSync('dpkg', ['-x', join(work, archive), tree], { encoding: 'utf8' });
    if (run.status !== 0) throw new StackError(`${archive} could not be unpacked:\n${run.stderr}`);
  }
}

const installers = [
  ['apt-get', 'sudo apt-get update && sudo apt-get install redis-server'],
  ['brew', 'brew install redis'],
  ['dnf', 'sudo dnf install valkey'],
  ['apk', 'apk add redis'],
  ['pacman', 'sudo pacman -S valkey'],
] as const;

function whatToType(): string {
  const known = installers.find(([program]) => canRun(program));
  const advice = known === undefined ? 'Install Redis 7 or newer, or Valkey, ' : `Type:\n\n  ${known[1]}\n\n`;
  return `Redis is needed: no redis-server or valkey-server on PATH, and none could be fetched. ${advice}and start again.`;
}
