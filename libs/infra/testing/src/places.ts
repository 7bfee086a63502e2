import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, lchownSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The user that database servers run as: PostgreSQL refuses to run as root. */
export interface ServerAccount {
  readonly uid: number;
  readonly gid: number;
}

/** A mistake of the machine or of the set-up, in words for the person at the terminal. */
export class StackError extends Error {
  override readonly name = 'StackError';
}

const accountsTried = ['postgres', 'praxis'] as const;
const maxFolderDepth = 64;

/** The folder of this clone: the nearest one above this file that holds Praxis's package.json. */
export function projectRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  for (let depth = 0; depth < maxFolderDepth && folder !== dirname(folder); depth += 1) {
    if (isProjectRoot(folder)) return folder;
    folder = dirname(folder);
  }
  throw new StackError('no package.json of praxis above the testing lib');
}

function isProjectRoot(folder: string): boolean {
  try {
    return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')).name === 'praxis';
  } catch {
    return false;
  }
}

export const isRoot = (): boolean => process.getuid?.() === 0;

/**
 * Where binaries and data of this clone live. As root it is outside the clone, because root's folders are often closed
 * to the user that the servers run as.
 */
export function stackHome(): string {
  const chosen = process.env.PRAXIS_HOME;
  if (chosen !== undefined && chosen !== '') return chosen;
  const root = projectRoot();
  if (!isRoot()) return join(root, '.praxis');
  return join('/var/lib/praxis', createHash('sha256').update(root).digest('hex').slice(0, 10));
}

/** Undefined for an ordinary user, whose servers run as that user. */
export function serverAccount(): ServerAccount | undefined {
  if (!isRoot()) return undefined;
  for (const name of accountsTried) {
    const found = lookUpAccount(name);
    if (found !== undefined) return found;
  }
  const made = spawnSync('useradd', ['--system', '--no-create-home', '--shell', '/usr/sbin/nologin', 'praxis']);
  const account = made.status === 0 ? lookUpAccount('praxis') : undefined;
  if (account !== undefined) return account;
  throw new StackError(
    'PostgreSQL does not run as root, and no user could be made for it; type: useradd --system praxis',
  );
}

function lookUpAccount(name: string): ServerAccount | undefined {
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((entry) => entry.startsWith(`${name}:`));
  const [, , uid, gid] = line?.split(':') ?? [];
  return uid === undefined || gid === undefined ? undefined : { uid: Number(uid), gid: Number(gid) };
}

export function chownTree(folder: string, account: ServerAccount | undefined): void {
  if (account === undefined) return;
  lchownSync(folder, account.uid, account.gid);
  for (const entry of readdirSync(folder, { recursive: true, encoding: 'utf8' }))
    lchownSync(join(folder, entry), account.uid, account.gid);
}

/** Makes the folder so that the server account can pass through it but not list it. */
export function makeHome(home: string): void {
  const closed = isRoot() ? closedFolderAbove(home) : undefined;
  if (closed !== undefined)
    throw new StackError(`${closed} is closed to the database servers' user; set PRAXIS_HOME to a folder that is not`);
  mkdirSync(home, { recursive: true });
  if (isRoot()) chmodSync(home, 0o711);
}

function closedFolderAbove(folder: string): string | undefined {
  let parent = dirname(folder);
  for (let depth = 0; depth < maxFolderDepth && parent !== dirname(parent); depth += 1) {
    const found = statSync(parent, { throwIfNoEntry: false });
    if (found !== undefined && (found.mode & 0o001) === 0) return parent;
    parent = dirname(parent);
  }
  return undefined;
}
