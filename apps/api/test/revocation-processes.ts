import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseConfig } from '#infra/config';
import type { Role } from '#infra/identity';
import { newId } from '#infra/kernel';
import { RedisConnections, redisConfig } from '#infra/redis';
import { createLog, Metrics } from '#infra/telemetry';
import {
  CompiledProduct,
  findPort,
  openTestDatabases,
  RedisServer,
  stackHome,
  type TestDatabases,
  waitUntil,
} from '#infra/testing';

const readyMaxMs = 60_000;
const kept = 40;
const quiet = (): void => undefined;

interface Asking {
  readonly method?: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  readonly token?: string;
  readonly body?: object;
  readonly ifMatch?: string;
  /** Of a write that the asker knows of. */
  readonly seen?: string | undefined;
}

/** One api as production runs it, in a process of its own. */
export class ApiProcess {
  #lines: string[] = [];

  private constructor(
    private readonly child: ChildProcess,
    private readonly port: number,
  ) {
    for (const stream of [child.stdout, child.stderr])
      if (stream) createInterface({ input: stream }).on('line', (line) => this.#hear(line));
  }

  static async start(program: string, env: Readonly<Record<string, string>>): Promise<ApiProcess> {
    const port = await findPort('the API', [], quiet);
    const settings = { ...env, HTTP_HOST: '127.0.0.1', HTTP_PORT: String(port) };
    const child = spawn(process.execPath, [program], { env: settings, stdio: ['ignore', 'pipe', 'pipe'] });
    const api = new ApiProcess(child, port);
    const ready = async () => (await fetch(`${api.url}/health/ready`).catch(() => null))?.ok === true;
    if (await waitUntil(ready, readyMaxMs)) return api;
    await api.kill();
    throw new Error(`an api is not ready:\n${api.#lines.join('\n')}`);
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  // biome-ignore lint/suspicious/noExplicitAny: answers of every route pass through here
  async ask(path: string, asking: Asking = {}): Promise<any> {
    const response = await this.send(path, asking);
    const text = await response.text();
    if (!response.ok) throw new Error(`${path}: ${response.status} ${text}`);
    return response.headers.get('content-type')?.includes('json') ? JSON.parse(text) : text;
  }

  send(path: string, asking: Asking = {}): Promise<Response> {
    const { token, body, ifMatch, seen, method = body === undefined ? 'GET' : 'POST' } = asking;
    return fetch(`${this.url}/api/v1/${path}`, {
      method,
      headers: {
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(ifMatch === undefined ? {} : { 'if-match': ifMatch }),
        ...(seen === undefined ? {} : { 'x-consistency-token': seen }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  }

  async kill(): Promise<void> {
    const gone = new Promise((resolve) => this.child.once('exit', resolve));
    if (this.child.kill('SIGKILL')) await gone;
  }

  #hear(line: string): void {
    this.#lines = [...this.#lines.slice(1 - kept), line];
  }
}

export interface Login {
  readonly tenant: string;
  readonly email: string;
  readonly password: string;
}

export interface Card {
  readonly id: string;
  readonly memberId: string;
  readonly idNumber: string;
  readonly scan: string;
}

/** Two api processes on the same databases and a Redis of their own, and one organisation that issues cards. */
export class TwoApis {
  readonly #compiled = new CompiledProduct('apps', 'libs', 'migrations');
  readonly #apis: ApiProcess[] = [];
  readonly #home = mkdtempSync(join(tmpdir(), 'praxis-revocation-'));
  #redis: RedisServer | undefined;
  #env: Readonly<Record<string, string>> = {};
  #login: Login = { tenant: '', email: '', password: '' };
  #token = '';

  private constructor(readonly databases: TestDatabases) {}

  static async start(): Promise<TwoApis> {
    const two = new TwoApis(await openTestDatabases());
    try {
      await two.#open();
      return two;
    } catch (error) {
      await two.stop();
      throw error;
    }
  }

  get here(): ApiProcess {
    return this.#api(0);
  }

  get there(): ApiProcess {
    return this.#api(1);
  }

  /** The owner's, of the organisation that issues cards. */
  get login(): Login {
    return this.#login;
  }

  get token(): string {
    return this.#token;
  }

  /** Another organisation, made as an operator makes it; its only user has this role (an owner what owners have). */
  async newTenant(role: Role): Promise<Login> {
    const tenant = `t-${newId().slice(-12)}`;
    const login = { tenant, email: `owner@${tenant}.example`, password: 'nine-slow-lighthouses' };
    const words = ['--slug', tenant, '--name', tenant, '--plan', 'PROFESSIONAL', '--owner-email', login.email];
    // Shard 1 is the one with a replica.
    const args = ['tenants', 'create', ...words, '--shard', 'shard-1', '--password-stdin'];
    await praxis(this.#compiled.program('apps/cli/src/main.ts'), args, this.#env, login.password);
    if (role !== 'owner') await this.#onlyRole(tenant, role);
    return login;
  }

  /** Milliseconds that entries of this strategy have left in Redis. */
  async livesOf(strategy: string): Promise<readonly number[]> {
    const { redis: config } = parseConfig({ redis: redisConfig }, this.#env);
    const log = createLog({ level: 'error', service: 'test' }, { app: 'test' });
    const connections = new RedisConnections(config, log, new Metrics());
    try {
      await connections.ready('cache', readyMaxMs);
      const redis = connections.get('cache');
      const keys = (await redis.keys(`c1:*:${strategy}:*`)).filter((key) => !key.includes('#'));
      return await Promise.all(keys.map((key) => redis.pttl(key)));
    } finally {
      await connections.close();
    }
  }

  async newCard(): Promise<Card> {
    const { token } = this;
    const idNumber = `P${newId().replaceAll('-', '').slice(-16)}`;
    const member = {
      name: { given: 'Member', family: 'Sample' },
      idScheme: 'generic',
      idNumber,
      membership: { from: '2020-01-01', tz: 'Africa/Johannesburg' },
    };
    const { id: memberId } = await this.here.ask('members', { token, body: member });
    const { id } = await this.here.ask(`members/${memberId}/cards`, { token, body: {} });
    const { qr } = await this.here.ask(`optimized-cards/generate-data/${memberId}`, { method: 'POST', token });
    return { id, memberId, idNumber, scan: qr.payload };
  }

  /** Everything that an api remembers of a card, asked for until it does. */
  async warm(api: ApiProcess, { id, memberId, scan }: Card): Promise<readonly string[]> {
    const { token } = this;
    const results: string[] = [];
    for (let n = 0; n < 3; n += 1) {
      results.push(await this.verify(api, scan));
      await api.ask(`optimized-cards/generate-data/${memberId}`, { method: 'POST', token });
      for (const path of [`cards/${id}`, `cards/${id}/qr.svg`, `cards/${id}/qr.png`]) await api.ask(path, { token });
      await api.ask('cards/inspect', { token, body: { scan } });
    }
    return results;
  }

  async verify(api: ApiProcess, scan: string): Promise<string> {
    return (await api.ask('cards/verify', { body: { scan } })).result;
  }

  /** Redis takes nothing and answers nothing, and nobody is told: as where a network is cut. */
  async withoutRedis(work: () => Promise<void>): Promise<void> {
    const pid = this.#redis?.pid ?? 0;
    process.kill(pid, 'SIGSTOP');
    try {
      await work();
    } finally {
      process.kill(pid, 'SIGCONT');
    }
  }

  async loseRedis(): Promise<void> {
    await this.#redis?.kill();
    this.#redis = undefined;
  }

  async stop(): Promise<void> {
    await Promise.all(this.#apis.map((api) => api.kill()));
    await this.#redis?.stop();
    rmSync(this.#home, { recursive: true, force: true });
    this.#compiled.remove();
    await this.databases.close();
  }

  async #open(): Promise<void> {
    const compiled = this.#compiled;
    // Redis runs as a user of its own.
    chmodSync(this.#home, 0o711);
    const port = await findPort('Redis', [], quiet);
    const place = { binariesHome: stackHome(), dataDir: join(this.#home, 'redis'), port, password: '' };
    this.#redis = await RedisServer.start({ ...place, durability: 'fast', note: quiet });
    this.#env = {
      ...this.databases.env,
      REDIS_URL: this.#redis.url,
      TOKEN_SIGNING_KEY: randomBytes(32).toString('base64'),
      ENABLE_RATE_LIMITING: 'false',
    };
    this.#login = await this.newTenant('owner');
    const program = compiled.program('apps/api/src/main.ts');
    const both = [ApiProcess.start(program, this.#env), ApiProcess.start(program, this.#env)];
    this.#apis.push(...(await Promise.all(both)));
    this.#token = (await this.here.ask('auth/login', { body: this.#login })).accessToken;
  }

  async #onlyRole(tenant: string, role: Role): Promise<void> {
    const ofTenant = 'tenant_id = (select id from tenant where slug = $1)';
    const others = `delete from role_assignment where ${ofTenant} and role <> 'owner'`;
    await this.databases.asAdmin('directory', others, [tenant]);
    await this.databases.asAdmin('directory', `update role_assignment set role = $2 where ${ofTenant}`, [tenant, role]);
  }

  #api(n: number): ApiProcess {
    const api = this.#apis[n];
    if (api === undefined) throw new Error('no api runs');
    return api;
  }
}

async function praxis(
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  stdin: string,
): Promise<void> {
  const child = spawn(process.execPath, [program, ...args], { env, stdio: ['pipe', 'ignore', 'pipe'] });
  const told: string[] = [];
  createInterface({ input: child.stderr }).on('line', (line) => told.push(line));
  child.stdin.end(stdin);
  const code = await new Promise((resolve) => child.once('close', resolve));
  if (code !== 0) throw new Error(told.join('\n'));
}
