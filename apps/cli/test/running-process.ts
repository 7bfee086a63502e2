import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { waitUntil } from '#infra/testing';

const patienceMs = 40_000;

interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A program in a process of its own, and every line that it wrote. */
export class RunningProcess {
  readonly out: string[] = [];
  readonly err: string[] = [];
  readonly exited: Promise<Exit>;
  readonly #child: ChildProcess;

  constructor(program: string, args: readonly string[], env: Readonly<Record<string, string>>, stdin = '') {
    const child = spawn(process.execPath, [program, ...args], { env, stdio: ['pipe', 'pipe', 'pipe'] });
    this.#child = child;
    // 'close' and not 'exit': by then everything that it wrote has been read.
    this.exited = new Promise((resolve) => child.once('close', (code, signal) => resolve({ code, signal })));
    createInterface({ input: child.stdout }).on('line', (line) => this.out.push(line));
    createInterface({ input: child.stderr }).on('line', (line) => this.err.push(line));
    child.stdin.end(stdin);
  }

  async until(holds: () => boolean | Promise<boolean>, timeoutMs = patienceMs): Promise<void> {
    if (await waitUntil(holds, timeoutMs)) return;
    throw new Error(`waited in vain; it wrote:\n${[...this.out, '--', ...this.err].slice(-40).join('\n')}`);
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  /** Nobody reads any more what it prints. */
  closeOut(): void {
    this.#child.stdout?.destroy();
  }

  async end(name: NodeJS.Signals): Promise<Exit> {
    this.signal(name);
    return this.exited;
  }
}
