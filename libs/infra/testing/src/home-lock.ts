import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { birthOf, isAlive } from './processes.js';

export interface HomeLock {
  release(): void;
}

/** Somebody else's run holds the home. */
export interface HomeHeld {
  readonly heldBy: number;
}

const fileOf = (home: string): string => join(home, 'lock');

/** One run at a time per home. A lock whose process is gone is taken over. */
export function lockHome(home: string): HomeLock | HomeHeld {
  const holder = holderOf(home);
  if (holder !== undefined) return { heldBy: holder };
  rmSync(fileOf(home), { force: true });
  try {
    writeFileSync(fileOf(home), `${process.pid} ${birthOf(process.pid)}`, { flag: 'wx', mode: 0o600 });
  } catch (error) {
    const winner = holderOf(home);
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || winner === undefined) throw error;
    return { heldBy: winner };
  }
  return { release: () => rmSync(fileOf(home), { force: true }) };
}

/** The pid of the living process that holds the home. */
export function holderOf(home: string): number | undefined {
  const [pidText, ...birth] = textOf(fileOf(home)).split(' ');
  const pid = Number(pidText);
  if (!Number.isInteger(pid) || pid <= 1) return undefined;
  return isAlive(pid) && birthOf(pid) === birth.join(' ') ? pid : undefined;
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
