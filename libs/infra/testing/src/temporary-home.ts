import { existsSync, mkdtempSync, readdirSync, realpathSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { holderOf } from './home-lock.js';
import { stopStale } from './postgres-server.js';
import { endLeftServersWithProcess } from './processes.js';
import { stopStaleRedis } from './redis-server.js';

const prefix = 'praxis-cluster-';
/** A folder without a lock may belong to a run that is just starting. */
const unlockedGraceMs = 60_000;

/** An empty folder for one run; what killed runs left behind is stopped and removed first. */
export async function temporaryHome(nowMs: number): Promise<string> {
  const parent = realpathSync(tmpdir());
  for (const name of readdirSync(parent)) if (name.startsWith(prefix)) await sweep(join(parent, name), nowMs);
  const home = mkdtempSync(join(parent, prefix));
  endLeftServersWithProcess();
  process.once('exit', () => removeHome(home));
  return home;
}

/** Servers that are just ending may still write: then it is tried again. */
export function removeHome(home: string): void {
  rmSync(home, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
}

async function sweep(home: string, nowMs: number): Promise<void> {
  const found = statSync(home, { throwIfNoEntry: false });
  if (found === undefined || found.uid !== process.getuid?.() || holderOf(home) !== undefined) return;
  if (!existsSync(join(home, 'lock')) && nowMs - found.ctimeMs < unlockedGraceMs) return;
  await stopLeftServers(home);
  removeHome(home);
}

/** Stops servers of a killed run, if they run on the data folders in this home. */
export async function stopLeftServers(home: string): Promise<boolean> {
  const folders = existsSync(home) ? readdirSync(home).map((name) => join(home, name)) : [];
  let stopped = false;
  for (const folder of folders.sort().reverse())
    stopped = (await stopStale(folder)) || (await stopStaleRedis(folder)) || stopped;
  return stopped;
}
