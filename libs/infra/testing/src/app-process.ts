import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { projectRoot, StackError } from './places.js';
import { birthOf, isAlive, stopProcess, waitUntil } from './processes.js';
import type { Environment } from './stack-environment.js';

export type AppKind = 'api' | 'worker' | 'websocket-gateway';

export interface AppPlan {
  /** `api-1`, for logs and for the file that names its process. */
  readonly name: string;
  readonly app: AppKind;
  readonly port: number;
  readonly environment: Environment;
  /** Folder of the files that name running processes. */
  readonly pidFolder: string;
  /** Hears every line that the process writes. */
  readonly onLine: (name: string, line: string) => void;
}

/** The apps promise to be gone this long after SIGTERM. */
const drainTimeoutMs = 35_000;
const killTimeoutMs = 5_000;
const readyTimeoutMs = 60_000;
const probeTimeoutMs = 2_000;
const shownLines = 30;

/** One api, worker or gateway built for production, in a process of its own that Ctrl-C in the terminal does not reach. */
export class AppProcess {
  #child: ChildProcess | undefined;
  #lastLines: string[] = [];
  #ending = false;
  #onExit: ((how: string) => void) | undefined;

  constructor(private readonly plan: AppPlan) {}

  get name(): string {
    return this.plan.name;
  }

  get kind(): AppKind {
    return this.plan.app;
  }

  get port(): number {
    return this.plan.port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.plan.port}`;
  }

  /** Undefined when it does not run. */
  get pid(): number | undefined {
    return this.isRunning ? this.#child?.pid : undefined;
  }

  get isRunning(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Resolves when `/health/ready` answers 200. After `stop` or `kill` it starts again, on the same port. */
  async start(): Promise<void> {
    const child = this.spawn();
    const answered = await waitUntil(async () => !this.isRunning || (await this.isReady()), readyTimeoutMs);
    if (answered && this.isRunning) return;
    child.kill('SIGKILL');
    throw new StackError(`${this.name} did not become ready:\n${this.#lastLines.join('\n')}`);
  }

  /** Drains it: SIGTERM, and SIGKILL when it is still there after its promised 35 s. */
  async stop(): Promise<void> {
    const { pid } = this;
    this.#ending = true;
    if (pid !== undefined)
      await stopProcess(pid, [
        ['SIGTERM', drainTimeoutMs],
        ['SIGKILL', killTimeoutMs],
      ]);
    rmSync(this.pidFile, { force: true });
  }

  /** As a power cut would. */
  async kill(): Promise<void> {
    const { pid } = this;
    this.#ending = true;
    if (pid !== undefined) await stopProcess(pid, [['SIGKILL', killTimeoutMs]]);
    rmSync(this.pidFile, { force: true });
  }

  /** For the last moment of a process that cannot wait any more. */
  stopWithoutWaiting(): void {
    this.#ending = true;
    this.#child?.kill('SIGKILL');
    rmSync(this.pidFile, { force: true });
  }

  /** Called when the process ends by itself; not after `stop` or `kill`. */
  onExit(told: (how: string) => void): void {
    this.#onExit = told;
  }

  private get pidFile(): string {
    return join(this.plan.pidFolder, `${this.name}.pid`);
  }

  private spawn(): ChildProcess {
    const { app, environment, pidFolder } = this.plan;
    const main = join(projectRoot(), 'dist/apps', app, 'src/main.js');
    const child = spawn(process.execPath, ['--enable-source-maps', main], {
      cwd: projectRoot(),
      env: { ...process.env, ...environment },
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child = child;
    this.#ending = false;
    this.#lastLines = [];
    child.once('exit', (code, name) => this.#ending || this.#onExit?.(name ?? `status ${code}`));
    for (const stream of [child.stdout, child.stderr])
      createInterface({ input: stream }).on('line', (line) => this.hear(line));
    mkdirSync(pidFolder, { recursive: true });
    if (child.pid !== undefined) writeFileSync(this.pidFile, `${child.pid} ${birthOf(child.pid)}`);
    return child;
  }

  private hear(line: string): void {
    this.#lastLines = [...this.#lastLines.slice(1 - shownLines), line];
    this.plan.onLine(this.name, line);
  }

  private async isReady(): Promise<boolean> {
    try {
      const answer = await fetch(`${this.url}/health/ready`, { signal: AbortSignal.timeout(probeTimeoutMs) });
      await answer.body?.cancel();
      return answer.ok;
    } catch {
      return false;
    }
  }
}

/** Ends apps that a killed run left behind: only processes that were started for this very folder. True when it did. */
export async function stopLeftApps(pidFolder: string): Promise<boolean> {
  mkdirSync(pidFolder, { recursive: true });
  let stopped = false;
  for (const name of readdirSync(pidFolder)) {
    const [pidText, ...birth] = readFileSync(join(pidFolder, name), 'utf8').split(' ');
    const pid = Number(pidText);
    if (pid > 1 && isAlive(pid) && birthOf(pid) === birth.join(' ')) {
      await stopProcess(pid, [['SIGKILL', killTimeoutMs]]);
      stopped = true;
    }
    rmSync(join(pidFolder, name), { force: true });
  }
  return stopped;
}
