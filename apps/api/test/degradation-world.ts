import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { Users } from '#infra/identity';
import { newId, type TenantContext } from '#infra/kernel';
import { CompiledProduct, findPort, PostgresServer, stackHome, waitUntil } from '#infra/testing';
import { type Answer, type Api, type Call, join, login, newMember, password } from './house/world.js';
import { OperationsWorld } from './operations-world.js';

const host = '127.0.0.1';
const reserveSize = 8;
const readyMaxMs = 60_000;
const goneMaxMs = 40_000;

/** A wire to a server that can be cut. */
class Wire {
  readonly #sockets = new Set<Socket>();
  #cut = false;

  private constructor(
    private readonly server: Server,
    private readonly target: number,
  ) {
    server.on('connection', (client) => this.#join(client));
  }

  static async to(target: number): Promise<Wire> {
    const wire = new Wire(createServer(), target);
    wire.server.listen(0, host);
    await once(wire.server, 'listening');
    return wire;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  cut(): void {
    this.#cut = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  mend(): void {
    this.#cut = false;
  }

  async end(): Promise<void> {
    this.cut();
    this.server.close();
    await once(this.server, 'close');
  }

  #join(client: Socket): void {
    if (this.#cut) return void client.destroy();
    const server = connect(this.target, host);
    for (const [one, other] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#sockets.add(one);
      one.on('error', () => other.destroy());
      one.on('close', () => {
        this.#sockets.delete(one);
        other.destroy();
      });
      one.pipe(other);
    }
  }
}

interface Party {
  readonly ctx: TenantContext;
  readonly slug: string;
  readonly token: string;
  /** Somebody whose logins end no session of the token's. */
  readonly colleague: string;
  readonly known: string;
  readonly scan: string;
  /** Members whom nobody has looked up. */
  readonly reserve: string[];
}

/** One api, a tenant on each of two shards, and a way to take away each thing that the api depends on. */
export class DegradationWorld {
  #again: PostgresServer[] = [];

  private constructor(
    private readonly world: OperationsWorld,
    private readonly wire: Wire,
    private readonly app: NestFastifyApplication,
    readonly parties: Readonly<Record<'shard-1' | 'shard-2', Party>>,
  ) {}

  static async start(): Promise<DegradationWorld> {
    const world = await OperationsWorld.start();
    const url = new URL(world.env.DIRECTORY_URL ?? '');
    const wire = await Wire.to(Number(url.port));
    url.port = String(wire.port);
    const app = await world.startApi({ DIRECTORY_URL: url.toString() });
    const party = (shardId: string) => newParty(world, app, shardId);
    const parties = { 'shard-1': await party('shard-1'), 'shard-2': await party('shard-2') };
    return new DegradationWorld(world, wire, app, parties);
  }

  cutDirectory(): void {
    this.wire.cut();
  }

  mendDirectory(): void {
    this.wire.mend();
  }

  /** Returns what starts it again. */
  async stop(what: 'shard-2' | 'replica' | 'redis'): Promise<() => Promise<void>> {
    const { cluster } = this.world;
    if (what === 'redis') await cluster.redis?.stop();
    const server = what === 'shard-2' ? cluster.servers[1] : what === 'replica' ? cluster.replica : undefined;
    if (server === undefined) return () => Promise.reject(new Error(`${what} is not started again`));
    await server.stop();
    const { dataDir, port, superuser } = server;
    const durability = what === 'replica' ? 'durable' : 'fast';
    return async () => {
      this.#again.push(await PostgresServer.start({ binariesHome: stackHome(), dataDir, port, superuser, durability }));
    };
  }

  /** What the tenant gets, in the order of the page's columns. */
  async look(party: Party): Promise<readonly string[]> {
    const post = (path: string, body: object, token?: string) => this.#post(path, body, token);
    const find = (idNumber: string) => post('members/lookup', { idScheme: 'generic', idNumber }, party.token);
    const ready = await this.world.call({ method: 'GET', path: '/health/ready' }, this.app);
    const known = await find(party.known);
    const [other = ''] = party.reserve;
    const another = await find(other);
    // Whoever has been looked up is no longer another member; one who has just come is.
    if (another.status !== 503) party.reserve.shift();
    const member = newMember();
    const change = await post('members', member, party.token);
    if (change.status === 201) party.reserve.push(member.idNumber);
    const verdict = await post('cards/verify', { scan: party.scan });
    const entered = await post('auth/login', { tenant: party.slug, email: party.colleague, password });
    const invited = await this.invite(party);
    const rest = [another, change, verdict, entered, invited].map(cell);
    return [`${ready.status} ${ready.json.status}`, cell(known), ...rest];
  }

  invite(party: Party): Promise<Answer> {
    const email = `guest-${newId()}@${party.slug}.example`;
    return this.#post('users/invitations', { email, roles: ['nurse'] }, party.token);
  }

  /** Whether this api gets an answer from the replica. */
  async replicaAnswers(): Promise<boolean> {
    const { servers } = (await this.world.ask('/api/health/database', this.app)).json;
    const replica = (servers as readonly { role: string; status: string }[]).find(({ role }) => role === 'replica-1');
    return replica?.status === 'up';
  }

  /** How the tenant's letters stand: null while they wait. */
  async letters({ ctx }: Party): Promise<readonly (string | null)[]> {
    const sql = `select outcome from outbox where tenant_id = $1 and name = 'identity.send_invitation' and outcome is distinct from 'done'`;
    const rows = await this.world.db.asAdmin<{ outcome: string | null }>('directory', sql, [ctx.tenant.id]);
    return rows.map(({ outcome }) => outcome);
  }

  /** A worker of the present sources in a process of its own, whose mail server nobody has started. */
  async startWorker(compiled: CompiledProduct): Promise<{ readonly url: string; stop(): Promise<void> }> {
    const [port, nobody] = [await findPort('the worker', [], quiet), await findPort('nobody', [], quiet)];
    const env = {
      ...this.world.env,
      WORKER_HOST: host,
      WORKER_PORT: String(port),
      SMTP_URL: `smtp://${host}:${nobody}`,
      MAIL_FROM: 'Praxis <no-reply@clinic.example>',
      APP_URL: 'https://app.clinic.example',
    };
    const child = spawn(process.execPath, [compiled.program('apps/worker/src/main.ts')], { env, stdio: 'ignore' });
    const url = `http://${host}:${port}`;
    const ready = async () => (await fetch(`${url}/health/ready`).catch(() => null))?.ok === true;
    if (!(await waitUntil(ready, readyMaxMs))) {
      await endOf(child, 'SIGKILL');
      throw new Error('the worker is not ready');
    }
    return { url, stop: () => endOf(child, 'SIGTERM') };
  }

  async end(): Promise<void> {
    await Promise.all(this.#again.map((server) => server.stop()));
    await this.world.stop();
    await this.wire.end();
  }

  #post(path: string, body: object, token: string | undefined): Promise<Answer> {
    return this.world.call({ method: 'POST', path: `/api/v1/${path}`, body, ...(token ? { token } : {}) }, this.app);
  }
}

const quiet = (): void => undefined;

function cell({ status, headers, json }: Answer): string {
  if (status === 503) return headers['retry-after'] === undefined ? '503 without Retry-After' : '503';
  if (json?.result !== undefined && json.result !== 'valid') return `${status} ${json.result}`;
  return headers['x-cache'] === 'STALE' ? `${status} STALE` : String(status);
}

async function endOf(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null) return;
  const gone = once(child, 'exit');
  child.kill(signal);
  const late = setTimeout(() => child.kill('SIGKILL'), goneMaxMs);
  await gone;
  clearTimeout(late);
}

async function newParty(world: OperationsWorld, app: NestFastifyApplication, shardId: string): Promise<Party> {
  const ctx = await world.db.newTenant({ shardId, plan: 'ENTERPRISE' });
  const { slug } = await world.db.sharding.tenants.byId(ctx.tenant.id);
  const email = `owner@${slug}.example`;
  await app.get(Users).createOwner(ctx, { email, displayName: 'Owner', password });
  const client = { app, must: (one: Call) => world.call(one, app) } as Pick<Api, 'app' | 'must'> as Api;
  const { token } = await login(client, slug, email);
  const colleague = (await join(client, ctx, slug, ['nurse'])).email;
  const post = (path: string, body: object) =>
    world.call({ method: 'POST', path: `/api/v1/${path}`, token, body }, app).then(({ json }) => json);
  const members = Array.from({ length: reserveSize }, () => newMember());
  const ids: string[] = [];
  for (const member of members) ids.push((await post('members', member)).id);
  const [known = '', ...reserve] = members.map(({ idNumber }) => idNumber);
  await post(`members/${ids[0]}/cards`, {});
  const { qr } = await post(`optimized-cards/generate-data/${ids[0]}`, {});
  return { ctx, slug, token, colleague, known, reserve, scan: qr.payload };
}
