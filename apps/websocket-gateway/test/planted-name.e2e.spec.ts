import type { GatewayProcess } from '../src/gateway.js';
import type { Client } from './client.js';
import { Field, type Planted } from './field.js';
import { domainFacts, GatewayFixture, type Person } from './gateway-fixture.js';
import { handshake } from './raw-handshake.js';

/** A person whose every part is unlike anything else in the product. */
const planted: Planted = {
  given: 'Zebulon',
  family: 'Quirkheim',
  phone: '+1 999 555 0173',
  email: 'zebulon@quirkheim.example',
  note: 'allergic to quartzberries',
  idNumber: '8001015009087',
};
const name = `${planted.given} ${planted.family}`;
const traces = ['zebulon', 'quirkheim', '9995550173', '999 555 0173', 'quartzberr', planted.idNumber];
const found = (text: string): readonly string[] => {
  const lower = text.toLowerCase();
  return traces.filter((trace) => lower.includes(trace) || lower.includes(encodeURIComponent(trace)));
};

let fixture: GatewayFixture;
let gateways: readonly GatewayProcess[];
let field: Field;
let owner: Person;
const clients: Client[] = [];
/** What gateways answered to whoever said the name. */
const answers: string[] = [];

/** The name goes in by every door: the right ones of all domains, and the wrong ones of a gateway. */
beforeAll(async () => {
  fixture = await GatewayFixture.open();
  gateways = await Promise.all([fixture.gateway(), fixture.gateway()]);
  field = await Field.open(fixture.settings(), fixture.databases.env, fixture.log);
  owner = await fixture.owner();
  for (const gateway of gateways) clients.push(await fixture.listen(gateway, owner));
  const { ctx } = owner;
  await field.lastLocation(ctx);
  await field.visit(ctx, planted);
  await field.patient(ctx, planted);
  await field.member(ctx, planted);
  await field.payments(ctx, planted);
  await fixture.publish(ctx);
  for (const client of clients) await client.facts(1 + domainFacts.length);
  clients.push(await fixture.listen(gateways[1]!, owner, { lastSeq: 0 }));
  await strayWords(gateways[0]!);
  await withBrokenTable('fact_sequence', async () => {
    const client = fixture.connect(gateways[0]!, { token: owner.accessToken, lastSeq: 1_000_000 });
    clients.push(client);
    await client.next('disconnect');
  });
}, 120_000);
afterAll(async () => {
  await field?.close();
  await fixture?.close();
});

async function strayWords(gateway: GatewayProcess): Promise<void> {
  const [client] = clients;
  for (const body of [
    name,
    { do: name },
    { [name]: name },
    { do: 'follow', locations: [name], appointments: [planted.idNumber] },
    { do: 'follow', [name]: true },
    { do: 'reauthenticate', token: name },
  ])
    answers.push(JSON.stringify(await client!.command(body)));
  client!.socket.emit(name, planted);
  for (const auth of [
    { token: name },
    { token: owner.accessToken, lastSeq: name },
    { [name]: name },
    { token: planted },
  ]) {
    const stranger = fixture.connect(gateway, auth);
    clients.push(stranger);
    answers.push(JSON.stringify(await stranger.next('connect_error')));
  }
  const said = encodeURIComponent(name);
  const handshakes: readonly { readonly query?: string; readonly headers?: Readonly<Record<string, string>> }[] = [
    { query: `&token=${said}` },
    { query: `&name=${said}&transport=${said}` },
    { headers: { origin: `http://${planted.family}.example` } },
    { headers: { cookie: `name=${said}`, 'user-agent': name, 'x-request-id': said } },
  ];
  for (const asked of handshakes) {
    const { headers, body } = await handshake(gateway.port, asked);
    answers.push(JSON.stringify(headers) + body);
  }
  const missing = await fetch(`http://127.0.0.1:${gateway.port}/${said}?name=${said}`);
  answers.push((await missing.text()) + JSON.stringify([...missing.headers]));
}

async function withBrokenTable(table: string, work: () => Promise<unknown>): Promise<void> {
  const { shardId } = await fixture.databases.sharding.tenants.byId(owner.ctx.tenant.id);
  await fixture.databases.asAdmin(shardId, `alter table ${table} rename to ${table}_away`);
  try {
    await work();
  } finally {
    await fixture.databases.asAdmin(shardId, `alter table ${table}_away rename to ${table}`);
  }
}

describe('a planted name', () => {
  it('is behind every fact of the product that these connections heard', async () => {
    const told = new Set(clients.flatMap((client) => client.told().map((fact) => fact.name)));
    expect([...told].sort()).toEqual(domainFacts.map((fact) => fact.name).sort());
    expect(clients[2]!.told()).toEqual(clients[0]!.told());
  });

  it('stands in no frame that a client was sent, whatever it said itself', () => {
    const frames = clients.flatMap((client) => client.frames);
    expect(frames.length).toBeGreaterThan(3 * domainFacts.length);
    expect(frames.filter((frame) => found(frame).length > 0)).toEqual([]);
  });

  it('stands in no answer to who connects wrongly or asks for what is not there', () => {
    expect(answers).toHaveLength(15);
    expect(answers.filter((answer) => found(answer).length > 0)).toEqual([]);
  });

  it('stands in no line of the log, though failures are logged', () => {
    expect(fixture.lines.some((line) => line.includes('socket.facts_unavailable'))).toBe(true);
    expect(fixture.lines.filter((line) => found(line).length > 0)).toEqual([]);
  });

  it('stands in no metric', async () => {
    for (const { port } of gateways) {
      const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
      expect(text).toContain('facts_received_total');
      expect(found(text)).toEqual([]);
    }
  });

  it('stands in no key and no value of Redis', async () => {
    const redis = fixture.databases.redis.get('realtime');
    const keys = await redis.keys('*');
    const kept = await Promise.all(keys.map(async (key) => JSON.stringify([key, await contentOf(key)])));
    for (const prefix of ['facts:', 'presence:']) expect(keys.some((key) => key.startsWith(prefix))).toBe(true);
    expect(kept.join('')).toContain('appointment.booked');
    expect(kept.filter((text) => found(text).length > 0)).toEqual([]);
  });
});

/** In words: a dump may be compressed. */
async function contentOf(key: string): Promise<unknown> {
  const redis = fixture.databases.redis.get('realtime');
  switch (await redis.type(key)) {
    case 'string':
      return redis.get(key);
    case 'hash':
      return redis.hgetall(key);
    case 'list':
      return redis.lrange(key, 0, -1);
    case 'set':
      return redis.smembers(key);
    case 'zset':
      return redis.zrange(key, '0', '-1');
    case 'stream':
      return redis.xrange(key, '-', '+');
    default:
      return null;
  }
}
