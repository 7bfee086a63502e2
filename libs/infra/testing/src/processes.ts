import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { closeSync, openSync, readFileSync, statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ServerAccount } from './places.js';

const pollMs = 20;
const maxLogBytes = 16 * 1024 * 1024;
const logTailBytes = 4_000;

export interface ServerCommand {
  readonly program: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly logFile: string;
  readonly account: ServerAccount | undefined;
  readonly environment?: Readonly<Record<string, string>>;
  /** What ends the server at once when this process ends without having stopped it. */
  readonly lastSignal: NodeJS.Signals;
}

/** Children of this process that run now, with the signal that ends each at once. */
const running = new Map<number, NodeJS.Signals>();

/**
 * Starts a server in a process group of its own, so that Ctrl-C in the terminal reaches our code first and the apps
 * drain before the databases stop. Its output goes to a file, which starts anew above 16 MB.
 */
export async function startServer(command: ServerCommand): Promise<ChildProcess & { readonly pid: number }> {
  const { program, args, cwd, logFile, account, environment } = command;
  const log = openSync(logFile, sizeOf(logFile) > maxLogBytes ? 'w' : 'a', 0o640);
  try {
    const child = spawn(program, args, {
      cwd,
      detached: true,
      stdio: ['ignore', log, log],
      env: { PATH: process.env.PATH, LC_ALL: 'C', ...environment },
      ...account,
    });
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', reject);
    });
    child.unref();
    endChildWithProcess(child, command.lastSignal);
    return child as ChildProcess & { readonly pid: number };
  } finally {
    closeSync(log);
  }
}

/** However this process ends, short of SIGKILL, the child gets this signal if it still runs. */
export function endChildWithProcess(child: ChildProcess, name: NodeJS.Signals): void {
  const { pid } = child;
  if (pid === undefined) return;
  endLeftServersWithProcess();
  running.set(pid, name);
  child.once('exit', () => running.delete(pid));
}

let listensForExit = false;

/** Exit listeners that are added after this call find the children ending. */
export function endLeftServersWithProcess(): void {
  if (listensForExit) return;
  listensForExit = true;
  process.once('exit', () => {
    for (const [pid, name] of running) signal(pid, name);
  });
}

function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}

/** The last lines that a server wrote, for the message of a failed start. */
export function logTail(logFile: string): string {
  return readFileSync(logFile, 'utf8').slice(-logTailBytes).split('\n').slice(-12).join('\n').trim();
}

/** In /proc/<pid>/stat, counted from the state on. */
const threadCountField = 17;

/**
 * A process that has ended counts as gone unless it is a child of ours, which is about to be taken off the list, or
 * threads of it still hold its ports.
 */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
  const fields = stateOf(pid);
  const threads = Number(fields[threadCountField] ?? 1);
  return fields[0] !== 'Z' || Number(fields[1]) === process.pid || threads > 1;
}

/** The fields of Linux's /proc/<pid>/stat from the state on; empty elsewhere. */
function stateOf(pid: number): readonly string[] {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  } catch {
    return [];
  }
}

/** The command line of a process, empty when there is no such process. */
export function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
  } catch {
    return spawnSync('ps', ['-p', String(pid), '-o', 'command='], { encoding: 'utf8' }).stdout?.trim() ?? '';
  }
}

/** Tells a process from a later one with the same pid: the moment it started. Empty when it is gone. */
export function birthOf(pid: number): string {
  const [state, ...rest] = stateOf(pid);
  if (state !== undefined) return state === 'Z' ? '' : (rest[18] ?? '');
  return spawnSync('ps', ['-p', String(pid), '-o', 'lstart='], { encoding: 'utf8' }).stdout?.trim() ?? '';
}

export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** True when the process was gone before the time was over. */
export async function waitGone(pid: number, timeoutMs: number): Promise<boolean> {
  return waitUntil(() => !isAlive(pid), timeoutMs);
}

/** True when the condition held before the time was over; it is asked every 20 ms. */
export async function waitUntil(holds: () => boolean | Promise<boolean>, timeoutMs: number): Promise<boolean> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    if (await holds()) return true;
    if (performance.now() > deadline) return false;
    await sleep(pollMs);
  }
}

/** Sends the signals one after the other, each given its time, until the process is gone. */
export async function stopProcess(pid: number, steps: readonly (readonly [NodeJS.Signals, number])[]): Promise<void> {
  for (const [name, timeoutMs] of steps) {
    signal(pid, name);
    if (await waitGone(pid, timeoutMs)) return;
  }
  throw new Error(`process ${pid} did not stop`);
}

/** Signals that end a process, with the exit status that a shell expects. */
const endings = [
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
] as const;

/** Ctrl-C and its like end this process in a way that its exit listeners hear of. */
export function exitOnSignals(): void {
  for (const [name, status] of endings) process.once(name, () => process.exit(status));
}

/** Stops what must not outlive this process, also when a signal or an error ends it early. */
export function endWithProcess(thing: { stopWithoutWaiting(): void }): void {
  process.once('exit', () => thing.stopWithoutWaiting());
  exitOnSignals();
}
