import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type AppKind, type AppProcess, stopLeftApps } from './app-process.js';
import { HaproxyServer } from './haproxy-server.js';
import { holderOf } from './home-lock.js';
import { type ClusterPorts, ClusterRunsError, LocalCluster } from './local-cluster.js';
import { projectRoot, StackError, stackHome } from './places.js';
import { findPort, giveBackPort } from './ports.js';
import type { Login } from './postgres-server.js';
import type { PostgresSettings } from './postgres-settings.js';
import { type AppPlace, appAt, choosePlaces, giveBack } from './stack-apps.js';
import { type Environment, type FurtherShard, operatorEnvironment, stackEnvironment } from './stack-environment.js';
import { stackSecrets } from './stack-secrets.js';
import { removeHome, stopLeftServers } from './temporary-home.js';

export interface StackPorts extends ClusterPorts {
  readonly apis?: readonly number[];
  readonly gateways?: readonly number[];
  readonly workers?: readonly number[];
  readonly proxy?: { readonly http?: number; readonly https?: number; readonly stats?: number };
}

export interface StackPlan {
  /** Folder of data and passwords; without it a temporary one, which `stop()` removes. */
  readonly home?: string;
  /** PostgreSQL servers, one shard on each; 3 unless said otherwise. */
  readonly servers?: number;
  /** Makes shards on other servers, which know this superuser; they come after the cluster's, and stopping them is its matter. */
  readonly furtherShards?: (superuser: Login) => Promise<readonly FurtherShard[]>;
  /** Settings of every PostgreSQL server beyond the usual ones; they win. */
  readonly postgres?: PostgresSettings;
  /** Data survives a crash; true unless said otherwise. */
  readonly durable?: boolean;
  readonly apis: number;
  /** None unless said otherwise. */
  readonly gateways?: number;
  readonly workers: number;
  /** HAProxy before apis and gateways; a stopping app then waits until HAProxy has noticed. */
  readonly proxy?: boolean;
  /** Six nodes instead of one server. */
  readonly redisCluster?: boolean;
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

/** As many seconds as HAProxy needs to notice, and a little more. */
const proxiedDrain = { DRAIN_WAIT: '5000' };

/** The whole product on one machine: cluster, migrated databases, apps, HAProxy. `npm start` and every drill run it. */
export class LocalStack {
  readonly #apps: AppProcess[] = [];
  #proxy: HaproxyServer | undefined;

  private constructor(
    readonly cluster: LocalCluster,
    private readonly plan: StackPlan,
    private readonly places: StackPlaces,
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
      if (plan.proxy) await stack.startProxy();
      return stack;
    } catch (error) {
      await (stack ?? cluster).stop();
      throw error;
    }
  }

  private static async around(cluster: LocalCluster, plan: StackPlan): Promise<LocalStack> {
    await stopLeftApps(pidFolderOf(cluster));
    const places = await chooseStackPlaces(plan);
    const secrets = stackSecrets(cluster.home);
    const [first] = cluster.servers;
    const further = first === undefined ? [] : ((await plan.furtherShards?.(first.superuser)) ?? []);
    const front = places.proxyPort ?? places.apps.find(({ kind }) => kind === 'apis')?.port;
    const environment = {
      ...stackEnvironment(cluster, secrets, further),
      ...(plan.proxy ? proxiedDrain : {}),
      ...(plan.apis > 1 ? { EXPECTED_NODES: String(plan.apis) } : {}),
      ...(front === undefined ? {} : { APP_URL: `http://127.0.0.1:${front}` }),
      ...plan.environment,
    };
    const operator = { ...environment, ...operatorEnvironment(cluster, secrets) };
    return new LocalStack(cluster, plan, places, environment, operator);
  }

  /** Where clients come in: HAProxy, else the first api. Empty for a stack without apis. */
  get url(): string {
    return this.#proxy?.url ?? this.apis[0]?.url ?? '';
  }

  get proxy(): HaproxyServer | undefined {
    return this.#proxy;
  }

  get apis(): readonly AppProcess[] {
    return this.all('api');
  }

  get gateways(): readonly AppProcess[] {
    return this.all('websocket-gateway');
  }

  get workers(): readonly AppProcess[] {
    return this.all('worker');
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

  /** Drains the apps, then stops HAProxy and the servers. */
  async stop(): Promise<void> {
    const drained = await Promise.allSettled(this.#apps.map((app) => app.stop()));
    const [unproxied] = await Promise.allSettled([this.#proxy?.stop()]);
    giveBack(this.places.apps);
    if (this.places.proxyPort !== undefined) giveBackPort(this.places.proxyPort);
    await this.cluster.stop();
    const failed = [...drained, unproxied].find((outcome) => outcome.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }

  /** For the last moment of a process that cannot wait any more: signals only. */
  stopWithoutWaiting(): void {
    for (const app of this.#apps) app.stopWithoutWaiting();
    this.#proxy?.stopWithoutWaiting();
    this.cluster.stopWithoutWaiting();
  }

  private all(kind: AppKind): readonly AppProcess[] {
    return this.#apps.filter((app) => app.kind === kind);
  }

  /** All at once. */
  private async startApps(): Promise<void> {
    const common = {
      environment: this.environment,
      pidFolder: pidFolderOf(this.cluster),
      onLine: this.plan.onLine ?? (() => {}),
    };
    this.#apps.push(...this.places.apps.map((place) => appAt(place, common)));
    const outcomes = await Promise.allSettled(this.#apps.map((app) => app.start()));
    const failed = outcomes.find((outcome) => outcome.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }

  /** After the apps, so that it finds them up with its first look. */
  private async startProxy(): Promise<void> {
    const { apps, proxyPort } = this.places;
    const targets = (kind: AppPlace['kind']) =>
      apps
        .filter((place) => place.kind === kind)
        .map(({ port, agentPort }) => ({ port, ...(agentPort === undefined ? {} : { agentPort }) }));
    if (proxyPort !== undefined) giveBackPort(proxyPort);
    this.#proxy = await HaproxyServer.start({
      home: stackHome(),
      folder: join(this.cluster.home, 'edge'),
      ports: { ...this.plan.ports?.proxy, ...(proxyPort === undefined ? {} : { http: proxyPort }) },
      apis: targets('apis'),
      gateways: targets('gateways'),
      ...(this.plan.note === undefined ? {} : { note: this.plan.note }),
    });
  }
}

interface StackPlaces {
  readonly apps: readonly AppPlace[];
  /** Known before HAProxy runs, because mails of the apps name it. */
  readonly proxyPort: number | undefined;
}

const pidFolderOf = (cluster: LocalCluster): string => join(cluster.home, 'apps');

function startCluster(plan: StackPlan): Promise<LocalCluster> {
  const { home, servers = serversByDefault, durable = true, ports, postgres, note } = plan;
  const redis = plan.redisCluster ? ('cluster' as const) : true;
  const common = {
    ...{ servers, durable, replica: true, redis },
    ...(postgres === undefined ? {} : { postgres }),
    ...(note === undefined ? {} : { note }),
  };
  if (home === undefined) return LocalCluster.startTemporary(common);
  return LocalCluster.start({ ...common, home, ...(ports === undefined ? {} : { ports }) });
}

async function chooseStackPlaces(plan: StackPlan): Promise<StackPlaces> {
  const { apis, gateways = 0, workers, proxy = false, ports = {}, note = () => {} } = plan;
  const http = ports.proxy?.http;
  const proxyPort = proxy ? await findPort('the edge (HTTP)', http === undefined ? [] : [http], note) : undefined;
  const counts = { apis, gateways, workers };
  return { apps: await choosePlaces({ counts, wanted: ports, withAgents: proxy, note }), proxyPort };
}

/** Stops what a killed run left behind in a home that nobody holds; false when there was nothing. */
export async function stopLeftStack(home: string): Promise<boolean> {
  const holder = holderOf(home);
  if (holder !== undefined) throw new ClusterRunsError(holder);
  if (!existsSync(home)) return false;
  const apps = await stopLeftApps(join(home, 'apps'));
  return (await stopLeftServers(home)) || apps;
}

/** Removes a home with all its data, and servers that a killed run left on it. False when there was none. */
export async function removeStackData(home: string): Promise<boolean> {
  await stopLeftStack(home);
  if (!existsSync(home)) return false;
  removeHome(home);
  return true;
}
