import { type ChildProcess, spawn } from 'node:child_process';
import { Agent, get, type IncomingMessage } from 'node:http';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { isAlive, waitUntil } from '#infra/testing';

interface Line {
  readonly message: string;
  readonly 'process.pid': number;
  readonly [field: string]: unknown;
}

export interface Answer {
  readonly status: number;
  readonly body: string;
}

const startMaxMs = 30_000;
const goneMaxMs = 10_000;

/** A program that was started as a process of its own, and everybody whom it started. */
export class RunningProgram {
  readonly lines: Line[] = [];
  readonly words: string[] = [];
  readonly exited: Promise<{ readonly code: number | null; readonly signal: string | null }>;
  readonly #child: ChildProcess;

  constructor(
    file: string,
    env: Readonly<Record<string, string>>,
    readonly port: number,
    nodeOptions: readonly string[] = [],
  ) {
    this.#child = spawn(process.execPath, [...nodeOptions, file], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    this.exited = new Promise((resolve) => this.#child.once('exit', (code, signal) => resolve({ code, signal })));
    for (const stream of [this.#child.stdout, this.#child.stderr])
      if (stream) createInterface({ input: stream }).on('line', (line) => this.#hear(line));
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  of(message: string): readonly Line[] {
    return this.lines.filter((line) => line.message === message);
  }

  /** Processes that listen, or have listened, on the program's port. */
  pids(message = 'fixture.listening'): readonly number[] {
    return this.of(message).map((line) => line['process.pid']);
  }

  alive(message?: string): readonly number[] {
    return this.pids(message).filter(isAlive);
  }

  async until(holds: () => boolean, timeoutMs = startMaxMs): Promise<void> {
    if (!(await waitUntil(holds, timeoutMs))) throw new Error(`waited in vain; it wrote:\n${this.words.join('\n')}`);
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  ask(path: string): Promise<Answer> {
    return ask(this.port, path);
  }

  /** For the end of a test, whatever came of it: nobody stays. */
  async remove(): Promise<void> {
    this.signal('SIGKILL');
    await this.exited;
    const everybody = [...new Set(this.lines.map((line) => line['process.pid']))];
    if (!(await waitUntil(() => !everybody.some(isAlive), goneMaxMs)))
      throw new Error(`still there: ${everybody.filter(isAlive).join(', ')}`);
  }

  #hear(line: string): void {
    this.words.push(line);
    if (line.startsWith('{')) this.lines.push(JSON.parse(line));
  }
}

interface Manner {
  /** Keeps connections; without one each request has its own. */
  readonly agent?: Agent | undefined;
  readonly headers?: Readonly<Record<string, string>>;
}

export function ask(port: number, path: string, { agent, headers = {} }: Manner = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port, path, headers, agent: agent ?? false };
    const request = get(options, (answer: IncomingMessage) => {
      let body = '';
      answer.setEncoding('utf8').on('data', (chunk: string) => {
        body += chunk;
      });
      answer.once('end', () => resolve({ status: answer.statusCode ?? 0, body }));
      answer.once('error', reject);
    });
    request.once('error', reject);
  });
}

/** Clients that ask all the time, half of them over connections that they keep. */
export class SteadyClients {
  readonly answers: Answer[] = [];
  readonly failures: unknown[] = [];
  readonly #agent = new Agent({ keepAlive: true });
  readonly #loops: readonly Promise<void>[];
  #asking = true;

  constructor(port: number, path: string, { count = 8, pauseMs = 0, headers = {} } = {}) {
    const agentOf = (n: number) => (n % 2 === 0 ? this.#agent : undefined);
    this.#loops = Array.from({ length: count }, (_, n) =>
      this.#loop(() => ask(port, path, { agent: agentOf(n), headers }), pauseMs),
    );
  }

  /** Answers that are no success, and requests without an answer. */
  get failed(): readonly unknown[] {
    return [...this.failures.map(String), ...this.answers.filter(({ status }) => status !== 200)];
  }

  async stop(): Promise<void> {
    this.#asking = false;
    await Promise.all(this.#loops);
    this.#agent.destroy();
  }

  async #loop(askOnce: () => Promise<Answer>, pauseMs: number): Promise<void> {
    while (this.#asking) {
      await askOnce().then(
        (answer) => this.answers.push(answer),
        (error: unknown) => this.failures.push(error),
      );
      if (pauseMs > 0) await sleep(pauseMs);
    }
  }
}
