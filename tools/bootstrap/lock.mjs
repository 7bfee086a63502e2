import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const pollMs = 200;
const longestSetUpMs = 15 * 60_000;

/** One `npm start` (or dev, or reset) at a time for each clone and home; ends with a sentence when one runs. */
export function holdRun(root) {
  const home = process.env.PRAXIS_HOME ?? '';
  const name = home === '' ? 'running' : `running-${createHash('sha256').update(home).digest('hex').slice(0, 8)}`;
  const lock = take(root, name);
  if (lock.holder === undefined) return lock.release;
  throw new Error(`Praxis already runs here (process ${lock.holder}); nothing was changed. Ctrl-C there stops it.`);
}

/** Set-up by one process at a time; the others wait for it. */
export async function withLock(root, work) {
  const deadline = performance.now() + longestSetUpMs;
  for (;;) {
    const lock = take(root, 'setting-up');
    if (lock.holder === undefined) {
      try {
        return await work();
      } finally {
        lock.release();
      }
    }
    if (performance.now() > deadline) throw new Error(`process ${lock.holder} is still setting up this clone`);
    await sleep(pollMs);
  }
}

/** A file that names its process; one whose process is gone is taken over. */
function take(root, name) {
  const file = join(root, '.praxis', `${name}.lock`);
  mkdirSync(join(root, '.praxis'), { recursive: true });
  const holder = livingHolder(file);
  if (holder !== undefined) return { holder };
  rmSync(file, { force: true });
  try {
    writeFileSync(file, `${process.pid} ${birthOf(process.pid)}`, { flag: 'wx' });
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
    return { holder: livingHolder(file) ?? 'unknown' };
  }
  return { release: () => rmSync(file, { force: true }) };
}

function livingHolder(file) {
  const [pid, ...birth] = textOf(file).split(' ');
  if (!/^[1-9]\d*$/.test(pid)) return undefined;
  const born = birthOf(Number(pid));
  return born !== '' && born === birth.join(' ') ? Number(pid) : undefined;
}

/** Tells a process from a later one with the same pid; empty when it is gone. */
function birthOf(pid) {
  const stat = textOf(`/proc/${pid}/stat`);
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  if (stat !== '') return fields[0] === 'Z' ? '' : fields[19];
  return spawnSync('ps', ['-p', String(pid), '-o', 'lstart='], { encoding: 'utf8' }).stdout?.trim() ?? '';
}

function textOf(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
