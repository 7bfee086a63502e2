import { randomBytes } from 'node:crypto';
import { newId } from '#infra/kernel';
import { CompiledProduct, findPort, openTestDatabases, type TestDatabases, waitUntil } from '#infra/testing';
import { RunningProcess } from './running-process.js';

type App = 'api' | 'websocket-gateway' | 'worker';

const portVariable = { api: 'HTTP_PORT', 'websocket-gateway': 'GATEWAY_PORT', worker: 'WORKER_PORT' } as const;
const hostVariable = { api: 'HTTP_HOST', 'websocket-gateway': 'GATEWAY_HOST', worker: 'WORKER_HOST' } as const;
const readyMaxMs = 60_000;
const mainOf = (app: App | 'cli'): string => `apps/${app}/src/main.ts`;

export interface Login {
  readonly tenant: string;
  readonly email: string;
  readonly password: string;
}

interface Asking {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly token?: string;
  readonly body?: object;
  readonly ifMatch?: string;
}

/** The shortest life that tokens may have. */
export const tokenLifeMs = 60_000;

/** One api, two gateways and a worker, each the process that production runs, and `praxis`. */
export class RunningProduct {
  readonly #compiled = new CompiledProduct('apps', 'libs', 'migrations');
  readonly #apps = new Map<string, { readonly process: RunningProcess; readonly port: number }>();
  readonly #listeners: RunningProcess[] = [];
  readonly #env: Readonly<Record<string, string>>;
  readonly #ports: readonly number[];

  private constructor(
    readonly databases: TestDatabases,
    ports: readonly number[],
  ) {
    this.#ports = ports;
    this.#env = {
      ...databases.env,
      LOG_LEVEL: 'info',
      TOKEN_SIGNING_KEY: randomBytes(32).toString('base64'),
      ACCESS_TOKEN_TTL: String(tokenLifeMs),
      SESSIONS_PER_USER: '50',
      ENABLE_RATE_LIMITING: 'false',
      GATEWAY_SESSION_CHECK: '500',
      GATEWAY_DRAIN_SPREAD: '0',
      DRAIN_WAIT: '0',
      MAIL_FOLDER: this.#compiled.file('mails'),
    };
  }

  static async start(): Promise<RunningProduct> {
    const ports: number[] = [];
    for (const what of ['api', 'gateway', 'gateway', 'worker']) ports.push(await findPort(what, [], () => undefined));
    const product = new RunningProduct(await openTestDatabases(), ports);
    try {
      const places = [
        ['api', 'api'],
        ['gateway-1', 'websocket-gateway'],
        ['gateway-2', 'websocket-gateway'],
      ] as const;
      await Promise.all([
        ...places.map(([name, app], n) => product.#run(name, app, ports[n] ?? 0)),
        product.#run('worker', 'worker', ports[3] ?? 0),
      ]);
      return product;
    } catch (error) {
      await product.stop();
      throw error;
    }
  }

  get api(): string {
    return this.#url('api');
  }

  /** A tenant of its own, made as an operator makes it. */
  async newTenant(): Promise<Login> {
    const tenant = `t-${newId().slice(-12)}`;
    const login = { tenant, email: `owner@${tenant}.example`, password: `nine-lamps-${tenant}` };
    const args = ['--slug', tenant, '--name', tenant, '--plan', 'PROFESSIONAL', '--owner-email', login.email];
    const words = ['tenants', 'create', ...args, '--password-stdin'];
    const run = new RunningProcess(this.#compiled.program(mainOf('cli')), words, this.#env, login.password);
    if ((await run.exited).code !== 0) throw new Error(run.err.join('\n'));
    return login;
  }

  /** `praxis listen` as a person types it, with no secret in its environment and the password on stdin. */
  listen(login: Login, { gateway = 'gateway-1', password = login.password, api = this.api } = {}): RunningProcess {
    const args = ['listen', '--tenant', login.tenant, '--email', login.email, '--password-stdin'];
    const env = { API_URL: api, GATEWAY_URL: this.#url(gateway) };
    const listener = new RunningProcess(this.#compiled.program(mainOf('cli')), args, env, `${password}\n`);
    this.#listeners.push(listener);
    return listener;
  }

  /** As a power cut would. */
  async kill(name: string): Promise<void> {
    await this.#apps.get(name)?.process.end('SIGKILL');
  }

  /** On the port that it had. */
  async restart(name: 'gateway-1' | 'gateway-2'): Promise<void> {
    await this.#run(name, 'websocket-gateway', this.#apps.get(name)?.port ?? 0);
  }

  async metric(name: 'gateway-1' | 'gateway-2', series: string): Promise<number> {
    const body = await (await fetch(`${this.#url(name)}/metrics`)).text();
    const line = body.split('\n').find((each) => each.startsWith(`${series} `));
    return Number(line?.split(' ').at(-1) ?? 'NaN');
  }

  async token(login: Login): Promise<string> {
    return (await this.ask('auth/login', { body: login })).accessToken;
  }

  // biome-ignore lint/suspicious/noExplicitAny: answers of every route pass through here
  async ask(path: string, asking: Asking = {}): Promise<any> {
    const response = await this.send(path, asking);
    const text = await response.text();
    if (!response.ok) throw new Error(`${path}: ${response.status} ${text}`);
    return text === '' ? undefined : JSON.parse(text);
  }

  send(path: string, { token, body, ifMatch, ...asking }: Asking): Promise<Response> {
    const { method = body === undefined ? 'GET' : 'POST' } = asking;
    return fetch(`${this.api}/api/v1/${path}`, {
      method,
      headers: {
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(method === 'POST' ? { 'idempotency-key': newId() } : {}),
        ...(ifMatch === undefined ? {} : { 'if-match': ifMatch }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  }

  /** Everything that `praxis listen` wrote in this run, on both streams. */
  written(): readonly string[] {
    return this.#listeners.flatMap(({ out, err }) => [...out, ...err]);
  }

  async stop(): Promise<void> {
    await Promise.all(this.#listeners.map((listener) => listener.end('SIGKILL')));
    await Promise.all([...this.#apps.values()].map(({ process }) => process.end('SIGKILL')));
    this.#compiled.remove();
    await this.databases.close();
  }

  #url(name: string): string {
    const fixed = { api: this.#ports[0], 'gateway-1': this.#ports[1], 'gateway-2': this.#ports[2] } as const;
    return `http://127.0.0.1:${fixed[name as keyof typeof fixed]}`;
  }

  async #run(name: string, app: App, port: number): Promise<void> {
    const env = { ...this.#env, [portVariable[app]]: String(port), [hostVariable[app]]: '127.0.0.1' };
    const process = new RunningProcess(this.#compiled.program(mainOf(app)), [], env);
    this.#apps.set(name, { process, port });
    const ready = async () => (await fetch(`http://127.0.0.1:${port}/health/ready`).catch(() => null))?.ok === true;
    if (!(await waitUntil(ready, readyMaxMs)))
      throw new Error(`${name} is not ready:\n${[...process.out, ...process.err].slice(-30).join('\n')}`);
  }
}
