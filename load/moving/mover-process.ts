import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { projectRoot } from '#infra/testing';
import type { Run } from '../stack.js';

/** What `praxis tenants move` prints when it has come to its end. */
export interface Moved {
  readonly rows: number;
  readonly tables: number;
  readonly pauseMs: number | null;
  readonly proofPauseMs: number | null;
  readonly longestPauseMs: number;
}

const program = join(projectRoot(), 'dist/apps/cli/src/main.js');
const shownLines = 20;

/**
 * Runs the verb in a process of its own. `killAt`: SIGKILL as soon as it says that it has come to that point; then there is
 * no result.
 */
export async function runMover(
  { stack }: Pick<Run, 'stack'>,
  tenant: string,
  shard: string,
  killAt?: string,
): Promise<Moved | null> {
  const child = spawn(process.execPath, [program, 'tenants', 'move', tenant, shard, '--keep-hours', '0'], {
    cwd: projectRoot(),
    env: { ...process.env, ...stack.operatorEnvironment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const told: string[] = [];
  const printed: string[] = [];
  createInterface(child.stderr).on('line', (line) => {
    told.push(line);
    if (killAt !== undefined && line.startsWith(`${killAt}:`)) child.kill('SIGKILL');
  });
  createInterface(child.stdout).on('line', (line) => printed.push(line));
  const [code, signal] = await new Promise<[number | null, string | null]>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (...how) => resolve(how));
  });
  if (signal === 'SIGKILL' && killAt !== undefined) return null;
  const result = printed.at(-1);
  if (code === 0 && killAt === undefined && result !== undefined) return JSON.parse(result) as Moved;
  throw new Error(`the mover ended with ${code ?? signal}:\n${told.slice(-shownLines).join('\n')}`);
}
