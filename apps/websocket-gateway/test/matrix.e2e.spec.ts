import type { INestApplication } from '@nestjs/common';
import { permissionsByRole, type Role, roles } from '#infra/identity';
import { newId } from '#infra/kernel';
import { Catalogue, type FactDefinition, type OutboxEntry } from '#infra/queues';
import type { GatewayProcess } from '../src/gateway.js';
import { anyFact } from './any-fact.js';
import type { Client } from './client.js';
import { domainFacts, GatewayFixture, type Person } from './gateway-fixture.js';

/** One tenant with somebody of every role, all of them connected, half of them here and half there. */
interface Tenant {
  readonly owner: Person;
  readonly people: ReadonlyMap<Role, Person>;
  readonly clients: ReadonlyMap<Role, Client>;
}

let fixture: GatewayFixture;
let gateways: readonly [GatewayProcess, GatewayProcess];
let harbour: Tenant;
let northside: Tenant;

beforeAll(async () => {
  fixture = await GatewayFixture.open();
  gateways = await Promise.all([fixture.gateway(), fixture.gateway()]);
  harbour = await tenantWithEveryRole('shard-1');
  northside = await tenantWithEveryRole('shard-2');
}, 120_000);
afterAll(() => fixture.close());

const facts: readonly FactDefinition[] = domainFacts;
const mayHear = (role: Role, { permission }: Pick<FactDefinition, 'permission'>): boolean =>
  (permissionsByRole[role] as readonly string[]).includes(permission);
const heardBy = (role: Role, entries: readonly OutboxEntry[]): readonly OutboxEntry[] =>
  entries.filter(({ name }) => facts.some((fact) => fact.name === name && mayHear(role, fact)));

async function tenantWithEveryRole(shardId: string): Promise<Tenant> {
  const owner = await fixture.owner(shardId);
  const people = new Map<Role, Person>();
  for (const role of roles) people.set(role, role === 'owner' ? owner : await somebody(owner, role));
  const clients = new Map<Role, Client>();
  for (const [n, [role, person]] of [...people].entries())
    clients.set(role, await fixture.listen(gateways[n % 2 ? 1 : 0], person));
  return { owner, people, clients };
}

/** Some roles are given by no invitation. */
async function somebody(owner: Person, role: Role): Promise<Person> {
  const { ctx, email, userId } = await fixture.colleague(owner, 'auditor');
  const sql = 'update role_assignment set role = $3 where tenant_id = $1 and user_id = $2';
  await fixture.databases.asAdmin('directory', sql, [ctx.tenant.id, userId, role]);
  return fixture.login(ctx, email);
}

/** What a connection was told, once everything that it could be told has arrived: answers come after it. */
async function heard(client: Client): Promise<readonly { readonly name: string; readonly payload: unknown }[]> {
  expect(await client.command({ do: 'unfollow' })).toMatchObject({ ok: true });
  return client.told().map(({ name, payload }) => ({ name, payload }));
}
const words = (entries: readonly OutboxEntry[]) => entries.map(({ name, payload }) => ({ name, payload }));

/** Publishes, and waits until those who may hear everything have. */
async function tell({ owner, clients }: Tenant, entries: readonly OutboxEntry[]): Promise<void> {
  const all = [...clients.values()];
  const before = new Map(all.map((client) => [client, client.told().length]));
  await fixture.publish(owner.ctx, ...entries);
  for (const [role, client] of clients) await client.facts((before.get(client) ?? 0) + heardBy(role, entries).length);
}

describe('the matrix of facts, roles and tenants', () => {
  it('is about every fact that gateways know, and every role', () => {
    for (const gateway of gateways) {
      const catalogue = (gateway as unknown as { app: INestApplication }).app.get(Catalogue);
      expect([...catalogue.facts.keys()].sort()).toEqual(facts.map(({ name }) => name).sort());
    }
    const asked = Object.fromEntries(facts.map(({ name, permission }) => [name.split('.')[0], permission]));
    expect(asked).toEqual({
      appointment: 'appointments.read',
      member: 'members.read',
      card: 'members.read',
      patient: 'patients.read',
      statement: 'reconciliation.read',
      run: 'reconciliation.read',
      quota: 'quotas.read',
    });
    expect([...harbour.clients.keys()]).toEqual(roles);
    for (const fact of facts) expect(roles.filter((role) => mayHear(role, fact)).length).toBeGreaterThan(0);
  });

  it.each(facts.map((fact) => [fact.name, fact] as const))(
    '%s is told to whoever of its tenant may read it, to no other role, and to nobody of another tenant',
    async (_, fact) => {
      const [ours, theirs] = [anyFact(fact), anyFact(fact)];
      const before = new Map(
        [...harbour.clients, ...northside.clients].map(([, client]) => [client, client.told().length]),
      );
      await tell(harbour, [ours]);
      await tell(northside, [theirs]);
      for (const [{ clients }, entry] of [
        [harbour, ours],
        [northside, theirs],
      ] as const)
        for (const [role, client] of clients) {
          const told = (await heard(client)).slice(before.get(client));
          expect([role, told]).toEqual([role, words(heardBy(role, [entry]))]);
        }
    },
  );

  it.each(roles)(
    '%s hears of what happened while they were away what they may read of their own tenant',
    async (role) => {
      const before = await fixture.listen(gateways[0], harbour.owner);
      const { seq } = await before.next('ready');
      const [ours, theirs] = [facts.map(anyFact), facts.map(anyFact)];
      await tell(harbour, ours);
      await tell(northside, theirs);
      const again = await fixture.listen(gateways[1], harbour.people.get(role)!, { lastSeq: seq });
      expect(await again.next('ready')).toMatchObject({ seq: seq + facts.length, resumed: true });
      expect(await heard(again)).toEqual(words(heardBy(role, ours)));
    },
  );
});

describe('a command with ids of another tenant', () => {
  it.each(roles)('tells %s no more than one with ids of nothing, and brings nothing of that tenant', async (role) => {
    const client = await fixture.listen(gateways[0], northside.people.get(role)!);
    const [place, visit] = [newId(), newId()];
    const theirs = await client.command({ do: 'follow', locations: [place], appointments: [visit] });
    const nothing = await client.command({ do: 'follow', locations: [newId()], appointments: [newId()] });
    expect(theirs).toEqual({ ok: true, tenant: true, followed: 2 });
    expect(nothing).toEqual({ ...theirs, followed: 4 });
    const visits = domainFacts
      .filter(({ name }) => name.startsWith('appointment.'))
      .map((fact) => (fact as FactDefinition).entry(visit, { appointmentId: visit, locationId: place, version: 1 }));
    await tell(harbour, visits);
    expect(await heard(client)).toEqual([]);
  });

  it('that is a token of theirs is refused, whoever sends it', async () => {
    for (const role of roles) {
      const client = await fixture.listen(gateways[1], northside.people.get(role)!);
      const { accessToken: token } = harbour.people.get(role)!;
      const answer = await client.command({ do: 'reauthenticate', token });
      expect([role, answer]).toEqual([role, expect.objectContaining({ ok: false, code: 'socket.other_session' })]);
    }
  });

  it('that names a tenant, a user or a room is no command', async () => {
    const client = await fixture.listen(gateways[0], northside.owner);
    const { ctx, userId } = harbour.owner;
    for (const more of [
      { tenant: ctx.tenant.id },
      { users: [userId] },
      { rooms: [`t:${ctx.tenant.id}`] },
      { tenantId: ctx.tenant.id },
    ])
      for (const verb of ['follow', 'unfollow', 'presence'])
        expect(await client.command({ do: verb, ...more })).toMatchObject({
          ok: false,
          code: 'socket.command_invalid',
        });
  });

  it('shows who is connected to whoever manages sessions, of their own tenant alone', async () => {
    const own = new Set([...northside.people.values()].map(({ userId }) => userId as string));
    for (const [role, client] of northside.clients) {
      const answer = await client.command({ do: 'presence' });
      if (!(permissionsByRole[role] as readonly string[]).includes('sessions.manage'))
        expect([role, answer]).toEqual([role, expect.objectContaining({ ok: false, code: 'socket.forbidden' })]);
      else {
        expect(answer.connections.length).toBeGreaterThanOrEqual(roles.length);
        expect(answer.connections.filter(({ userId }: { userId: string }) => !own.has(userId))).toEqual([]);
      }
    }
  });
});
