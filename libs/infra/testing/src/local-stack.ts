import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { AppProcess, stopLeftApps } from './app-process.js';
import { holderOf } from './home-lock.js';
import { type ClusterPorts, ClusterRunsError, LocalCluster } from './local-cluster.js';
import { projectRoot, StackError } from './places.js';
import { findPort, giveBackPort } from './ports.js';
import { type Environment, operatorEnvironment, stackEnvironment } from './stack-environment.js';
import { stackSecrets } from './stack-secrets.js';
import { removeHome, stopLeftServers } from './temporary-home.js';

export interface StackPorts extends ClusterPorts {
  readonly apis?: readonly number[];
  readonly workers?: readonly number[];
}

export interface StackPlan {
  /** Folder of data and passwords; without it a temporary one, which `stop()` removes. */
  readonly home?: string;
  /** PostgreSQL servers, one shard on each; 3 unless said otherwise. */
  readonly servers?: number;
  /** Data survives a crash; true unless said otherwise. */
  readonly durable?: boolean;
  readonly apis: number;
  readonly workers: number;
  readonly ports?: StackPorts;
  /** Settings of the apps beyond what the stack needs; they win. */
  readonly environment?: Environment;
  /** Hears one line per thing worth telling. */
  readonly note?: (line: string) => void;
  /** Hears every line that an app writes. */
  readonly onLine?: (app: string, line: string) => void;
  /** Ends a start between two steps, or in the middle of an operator's verb; what was started is stopped. */
  readonly abort?: AbortSignal;
}

const run = promisify(execFile);
const commandTimeoutMs = 120_000;
const maxOutputBytes = 16 * 1024 * 1024;
const serversByDefault = 3;

/** The whole product on one machine: cluster, migrated databases, apps. `npm start` and every drill run it. */
export class LocalStack {
  readonly #apps: AppProcess[] = [];

  private constructor(
    readonly cluster: LocalCluster,
    private readonly plan: StackPlan,
    private readonly ports: AppPorts,
    /** What the stack adds to the environment of every app. */
    readonly environment: Environment,
    /** The same, with what only an operator may know. */
    readonly operatorEnvironment: Environment,
  ) {}

  /** Resolves when every app is ready. `beforeApps` runs on the migrated databases. */
  static async start(plan: StackPlan, beforeApps?: (stack: LocalStack) => Promise<void>): Promise<LocalStack> {
    const cluster = await startCluster(plan);
    let stack: LocalStack | undefined;
    try {
      stack = await LocalStack.around(cluster, plan);
      await stack.cli('migrate');
      await beforeApps?.(stack);
      plan.abort?.throwIfAborted();
      await stack.startApps();
      return stack;
    } catch (error) {
      await (stack ?? cluster).stop();
      throw error;
    }
  }

  private static async around(cluster: LocalCluster, plan: StackPlan): Promise<LocalStack> {
    await stopLeftApps(pidFolderOf(cluster));
    const ports = await chooseAppPorts(plan);
    const secrets = stackSecrets(cluster.home);
    const environment = {
      ...stackEnvironment(cluster, secrets),
      ...(ports.apis[0] === undefined ? {} : { APP_URL: `http://127.0.0.1:${ports.apis[0]}` }),
      ...plan.environment,
    };
    const operator = { ...environment, ...operatorEnvironment(cluster, secrets) };
    return new LocalStack(cluster, plan, ports, environment, operator);
  }

  get apis(): readonly AppProcess[] {
    return this.#apps.slice(0, this.plan.apis);
  }

  get workers(): readonly AppProcess[] {
    return this.#apps.slice(this.plan.apis);
  }

  get apps(): readonly AppProcess[] {
    return this.#apps;
  }

  /** Runs an operator's verb (`praxis …`) and gives what it printed. */
  async cli(...args: readonly string[]): Promise<string> {
    const main = join(projectRoot(), 'dist/apps/cli/src/main.js');
    try {
      const { stdout } = await run(process.execPath, ['--enable-source-maps', main, ...args], {
        cwd: projectRoot(),
        env: { ...process.env, ...this.operatorEnvironment },
        timeout: commandTimeoutMs,
        maxBuffer: maxOutputBytes,
        ...(this.plan.abort === undefined ? {} : { signal: this.plan.abort }),
      });
      return stdout;
    } catch (cause) {
      const { stderr = '', stdout = '', message } = cause as { stderr?: string; stdout?: string; message: string };
      const told = `${stdout}${stderr}`.trim() || message;
      throw new StackError(`praxis ${args.join(' ')} failed:\n${told}`, { cause });
    }
  }

  /** Drains the apps, then stops the servers. */
  async stop(): Promise<void> {
    const drained = await Promise.allSettled(this.#apps.map((app) => app.stop()));
    for (const port of [...this.ports.apis, ...this.ports.workers]) giveBackPort(port);
    await this.cluster.stop();
    const failed = drained.find((outcome) => outcome.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }

  /** For the last moment of a process that cannot wait any more: signals only. */
  stopWithoutWaiting(): void {
    for (const app of this.#apps) app.stopWithoutWaiting();
    this.cluster.stopWithoutWaiting();
  }

  private async startApps(): Promise<void> {
    for (const [n, port] of this.ports.apis.entries()) this.#apps.push(this.newApp('api', n, port));
    for (const [n, port] of this.ports.workers.entries()) this.#apps.push(this.newApp('worker', n, port));
    const outcomes = await Promise.allSettled(this.#apps.map((app) => app.start()));
    const failed = outcomes.find((outcome) => outcome.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }

  private newApp(app: 'api' | 'worker', n: number, port: number): AppProcess {
    const several = (app === 'api' ? this.plan.apis : this.plan.workers) > 1;
    return new AppProcess({
      name: several ? `${app}-${n + 1}` : app,
      app,
      port,
      environment: { ...this.environment, [app === 'api' ? 'HTTP_PORT' : 'WORKER_PORT']: String(port) },
      pidFolder: pidFolderOf(this.cluster),
      onLine: this.plan.onLine ?? (() => {}),
    });
  }
}

interface AppPorts {
  readonly apis: readonly number[];
  readonly workers: readonly number[];
}

const pidFolderOf = (cluster: LocalCluster): string => join(cluster.home, 'apps');

function startCluster(plan: StackPlan): Promise<LocalCluster> {
  const { home, servers = serversByDefault, durable = true, ports, note } = plan;
  const common = { servers, durable, replica: true, redis: true, ...(note === undefined ? {} : { note }) };
  if (home === undefined) return LocalCluster.startTemporary(common);
  return LocalCluster.start({ ...common, home, ...(ports === undefined ? {} : { ports }) });
}

async function chooseAppPorts({ apis, workers, ports = {}, note = () => {} }: StackPlan): Promise<AppPorts> {
  const choose = (what: string, count: number, preferred: readonly number[] = []) =>
    Promise.all(Array.from({ length: count }, (_, n) => findPort(what, preferred.slice(n, n + 1), note)));
  return {
    apis: await choose('the API', apis, ports.apis),
    workers: await choose('the worker', workers, ports.workers),
  };
}

/** Removes a home with all its data, and servers that a killed run left on it. False when there was none. */
export async function removeStackData(home: string): Promise<boolean> {
  if (!existsSync(home)) return false;
  const holder = holderOf(home);
  if (holder !== undefined) throw new ClusterRunsError(holder);
  await stopLeftApps(join(home, 'apps'));
  await stopLeftServers(home);
  removeHome(home);
  return true;
}
