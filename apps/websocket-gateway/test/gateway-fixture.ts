import { randomBytes } from 'node:crypto';
import type { INestApplication } from '@nestjs/common';
import type { ManagerOptions, SocketOptions } from 'socket.io-client';
import { z } from 'zod';
import { appointmentFacts } from '#domain/appointments';
import { memberFacts } from '#domain/members';
import { patientFacts } from '#domain/patients';
import { reconciliationFacts } from '#domain/reconciliation';
import { Secret } from '#infra/config';
import { Ed25519Key } from '#infra/crypto';
import { AccessTokens, createIdentity, type Identity, identityJobs, type StaffRole } from '#infra/identity';
import { type Context, newId, type SessionId, systemClock, type TenantContext, type UserId } from '#infra/kernel';
import { Catalogue, defineFact, FactRelay, Nudge, Outbox, type OutboxEntry, QueueMetrics } from '#infra/queues';
import { Quotas, quotaFacts } from '#infra/quotas';
import { FactLog } from '#infra/realtime';
import { createLog, type Log, Metrics } from '#infra/telemetry';
import { openTestDatabases, type TestDatabases, waitUntil } from '#infra/testing';
import { GatewayProcess } from '../src/gateway.js';
import { readSettings } from '../src/settings.js';
import type { GatewayServer } from '../src/sockets/protocol.js';
import { SocketServer } from '../src/sockets/socket-server.js';
import { Client, patienceMs } from './client.js';

/** Facts that only a newer worker knows: gateways carry whatever is published, by its rooms and its permission. */
const forUser = defineFact({
  name: 'user.told',
  payload: z.strictObject({ userId: z.uuid() }),
  permission: 'appointments.read',
  rooms: ({ userId }) => [{ of: 'user', id: userId }],
});
const bulky = defineFact({
  name: 'bulk.moved',
  payload: z.strictObject({ ids: z.array(z.uuid()) }),
  permission: 'appointments.read',
  rooms: () => [{ of: 'tenant' }],
});

/** The closed catalogue of the product. */
export const domainFacts = [
  ...appointmentFacts,
  ...memberFacts,
  ...patientFacts,
  ...reconciliationFacts,
  ...quotaFacts,
];

const identityOfProcess = { app: 'websocket-gateway', version: '0' };
const password = 'seven otters left early';

/** Somebody with a session. */
export interface Person {
  readonly ctx: TenantContext;
  readonly userId: UserId;
  readonly email: string;
  readonly sessionId: SessionId;
  readonly accessToken: string;
  readonly refreshToken: string;
}

/** Real databases and Redis, people with sessions, facts through a real relay, and gateways as processes run them. */
export class GatewayFixture {
  readonly lines: string[] = [];
  readonly log: Log;
  readonly signingKey = randomBytes(32).toString('base64');
  readonly identity: Identity;
  readonly outbox: Outbox;
  readonly relay: FactRelay;
  readonly #gateways: GatewayProcess[] = [];
  readonly #clients: Client[] = [];

  private constructor(readonly databases: TestDatabases) {
    const to = { write: (line: string) => void this.lines.push(line) };
    this.log = createLog({ level: 'debug', service: 'test' }, { ...identityOfProcess, to });
    const { sharding, crypto, audit, redis, rootKey: root } = databases;
    const { log } = this;
    const catalogue = new Catalogue({
      jobs: identityJobs,
      facts: [...domainFacts, forUser, bulky],
    });
    const metrics = new Metrics();
    this.outbox = new Outbox(catalogue, new Nudge(redis, log), systemClock);
    const config = this.settings().identity;
    const { outbox } = this;
    const clock = systemClock;
    const quotas = new Quotas({ sharding, clock, log, metrics });
    this.identity = createIdentity({ config, clock, sharding, crypto, audit, outbox, root, metrics, quotas });
    const sink = new FactLog({ redis, sharding, catalogue, log, metrics });
    const queueMetrics = new QueueMetrics(metrics);
    const poll = { relayPollMs: 60_000 };
    this.relay = new FactRelay({
      sharding,
      sink,
      catalogue,
      config: poll,
      log,
      metrics: queueMetrics,
      clock: systemClock,
    });
  }

  /** `env`: settings of every gateway, for example another Redis. */
  static async open(env: Readonly<Record<string, string>> = {}): Promise<GatewayFixture> {
    return new GatewayFixture(await openTestDatabases({ env }));
  }

  settings(env: Readonly<Record<string, string>> = {}) {
    return readSettings({
      ...this.databases.env,
      GATEWAY_PORT: '0',
      GATEWAY_HOST: '127.0.0.1',
      GATEWAY_DRAIN_SPREAD: '0',
      GATEWAY_SESSION_CHECK: '500',
      TOKEN_SIGNING_KEY: this.signingKey,
      ...env,
    });
  }

  async gateway(env: Readonly<Record<string, string>> = {}): Promise<GatewayProcess> {
    const gateway = await GatewayProcess.start(this.settings(env), identityOfProcess, this.log);
    this.#gateways.push(gateway);
    return gateway;
  }

  /** The owner of a tenant of their own, who may see everything that facts tell. */
  async owner(shardId?: string): Promise<Person> {
    const ctx = await this.databases.newTenant(shardId === undefined ? {} : { shardId });
    const email = `owner-${newId().slice(-8)}@harbor.example`;
    await this.identity.users.createOwner(ctx, { email, displayName: 'Inès Moreau', password });
    return this.login(ctx, email);
  }

  /** Somebody else of the same tenant. */
  async colleague({ ctx }: Person, ...roles: readonly StaffRole[]): Promise<Person> {
    const email = `staff-${newId().slice(-8)}@harbor.example`;
    const { invitationId } = await this.identity.invitations.invite(ctx, { email, roles: [...roles] });
    const letter = await this.identity.mail(ctx, 'invitation', invitationId);
    const token = /#token=(\S+)/.exec(letter?.text ?? '')?.[1] ?? '';
    await this.identity.invitations.accept(this.#anonymous(), { token, password, displayName: 'Ravi Anand' });
    return this.login(ctx, email);
  }

  async login(ctx: TenantContext, email: string): Promise<Person> {
    const { slug: tenant } = await this.databases.sharding.tenants.byId(ctx.tenant.id);
    const grant = await this.identity.sessions.login(this.#anonymous(), { tenant, email, password });
    const { accessToken, refreshToken, sessionId, user } = grant;
    return { ctx, userId: user.id, email, sessionId, accessToken, refreshToken };
  }

  /** A token of this person's session with a life of its own, signed with the key that gateways trust. */
  tokenFor({ ctx, userId, sessionId }: Pick<Person, 'ctx' | 'userId' | 'sessionId'>, lifetimeMs: number): string {
    const signing = Ed25519Key.fromSecret(new Secret(this.signingKey));
    const tokens = new AccessTokens({ signing, issuer: 'praxis', lifetimeMs }, systemClock);
    return tokens.issue({ userId, tenantId: ctx.tenant.id, sessionId, permissionVersion: 1 });
  }

  /** Commits facts and lets the relay publish them. */
  async publish(ctx: TenantContext, ...entries: readonly OutboxEntry[]): Promise<void> {
    await this.databases.sharding.write(ctx, async (tx) => {
      for (const entry of entries) await this.outbox.append(tx, entry);
    });
    while (await this.relay.pass());
  }

  connect(gateway: GatewayProcess, auth: object, options: Partial<ManagerOptions & SocketOptions> = {}): Client {
    const client = new Client(gateway, auth, options);
    this.#clients.push(client);
    return client;
  }

  /** Connects and waits until it is told that it hears everything from now on. */
  async listen(gateway: GatewayProcess, person: Pick<Person, 'accessToken'>, auth: object = {}): Promise<Client> {
    const client = this.connect(gateway, { token: person.accessToken, ...auth });
    await client.next('ready');
    return client;
  }

  until(reached: () => Promise<boolean>): Promise<boolean> {
    return waitUntil(reached, patienceMs);
  }

  /** For what takes longer than usual by its nature. */
  untilLate(reached: () => Promise<boolean>): Promise<boolean> {
    return waitUntil(reached, 2 * patienceMs);
  }

  /** The Socket.IO server inside, to send what only gateways send each other. */
  serverOf(gateway: GatewayProcess): GatewayServer {
    return (gateway as unknown as { app: INestApplication }).app.get(SocketServer).server;
  }

  async metric(gateway: GatewayProcess, series: string): Promise<number> {
    const body = await (await fetch(`http://127.0.0.1:${gateway.port}/metrics`)).text();
    const line = body.split('\n').find((each) => each.startsWith(`${series} `));
    return Number(line?.split(' ').at(-1) ?? 'NaN');
  }

  /** Ends what clients a test left. */
  leave(): void {
    for (const client of this.#clients.splice(0)) client.socket.disconnect();
    this.lines.length = 0;
  }

  /** Ends gateways too. */
  async tidy(): Promise<void> {
    this.leave();
    await Promise.all(this.#gateways.splice(0).map((gateway) => gateway.stop()));
  }

  async close(): Promise<void> {
    await this.tidy();
    await this.databases.close();
  }

  #anonymous(): Context {
    return { ...this.databases.newContext(), actor: { kind: 'anonymous' }, ip: '192.0.2.7', route: 'POST /test' };
  }
}

const [booked, rescheduled] = appointmentFacts;
const [enrolled] = memberFacts;

/** Told to whoever may read appointments: all of the tenant, and those who follow the place or the visit. */
export const bookedAt = (locationId: string = newId(), appointmentId: string = newId()): OutboxEntry =>
  booked.entry(appointmentId, { appointmentId, locationId, version: 1 });
export const rescheduledAt = (locationId: string, appointmentId: string, version: number): OutboxEntry =>
  rescheduled.entry(appointmentId, { appointmentId, locationId, version });
/** Told to whoever may read members. */
export const memberEnrolled = (memberId: string = newId()): OutboxEntry =>
  enrolled.entry(memberId, { memberId, version: 1 });
/** Told to one user of the tenant. */
export const toUser = (userId: string): OutboxEntry => forUser.entry(userId, { userId });
/** Told to all who may read appointments, in about 4 KB. */
export const bulk = (): OutboxEntry => bulky.entry('bulk', { ids: Array.from({ length: 100 }, () => newId()) });
