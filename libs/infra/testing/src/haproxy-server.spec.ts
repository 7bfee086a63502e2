import { execFileSync } from 'node:child_process';
import { createHash, randomBytes, X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { connect as connectHttp2 } from 'node:http2';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createServer as createTlsServer } from 'node:tls';
import { EdgeBackend } from '../test/edge-backend.js';
import { agreedTls, ask, askTimes, dribble, nameIn } from '../test/edge-client.js';
import { HaproxyServer } from './haproxy-server.js';
import { projectRoot, stackHome } from './places.js';
import { waitUntil } from './processes.js';
import { selfSignedCertificate } from './self-signed-certificate.js';
import { systemProgram } from './system-program.js';

const file = join(projectRoot(), 'deploy/haproxy/haproxy.cfg');
const config = readFileSync(file, 'utf8');
/** What the file itself says: limits of one source, and plain HTTP only redirects. */
const asDeployed = {
  PLAIN_HTTP: 'no',
  EDGE_REQUESTS_PER_S: '1000',
  EDGE_AUTH_REQUESTS_PER_S: '10',
  EDGE_CONNECTIONS: '50',
};

let folder: string;
let backends: readonly EdgeBackend[];
/** Limits lifted, plain HTTP served. */
let edge: HaproxyServer;
/** As the file is deployed, but for fewer connections of one source. */
let strict: HaproxyServer;
let slowClient: ReturnType<typeof dribble>;

const [a, b, g, h] = [0, 1, 2, 3].map((n) => () => backends[n]!) as [
  () => EdgeBackend,
  () => EdgeBackend,
  () => EdgeBackend,
  () => EdgeBackend,
];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'edge-'));
  backends = await Promise.all(['a', 'b', 'g', 'h'].map((name) => EdgeBackend.start(name)));
  const apis = [a(), b()].map(({ port, agentPort }) => ({ port, agentPort }));
  const gateways = [g(), h()].map(({ port }) => ({ port }));
  const start = (name: string, settings: Readonly<Record<string, string>>) =>
    HaproxyServer.start({ home: stackHome(), folder: join(folder, name), apis, gateways, settings });
  [edge, strict] = [await start('edge', { GATEWAY_POLLING: 'yes' }), await start('strict', asDeployed)];
  slowClient = dribble(strict.ports.http, 500);
});
beforeEach(() => {
  for (const backend of backends) backend.reset();
});
afterAll(async () => {
  await Promise.all([edge, strict].map((server) => server?.stop()));
  await Promise.all(backends.map((backend) => backend.stop()));
  rmSync(folder, { recursive: true });
});

/** What the edge thinks of an instance: `UP`, `DOWN`, `DRAIN` … */
async function stateOf(server: HaproxyServer, name: string): Promise<string> {
  const { body } = await ask(`${server.statsUrl}/metrics`);
  const line = new RegExp(`^haproxy_server_status\\{proxy="\\w+",server="${name}",state="(\\w+)"\\} 1$`, 'm');
  return line.exec(body)?.[1] ?? 'unknown';
}
const becomes = (server: HaproxyServer, name: string, state: string, withinMs: number): Promise<boolean> =>
  waitUntil(async () => (await stateOf(server, name)) === state, withinMs);

describe('The settings of the edge', () => {
  it('[A-040] [A-042] are accepted by HAProxy as they are, balance by least connections and have ten slots and more', () => {
    const { program, libraryPath } = systemProgram('haproxy', stackHome(), () => {});
    const env = { TLS_PEM: join(folder, 'edge/edge.pem'), LD_LIBRARY_PATH: libraryPath ?? '' };
    const checked = execFileSync(program, ['-c', '-f', file], { env, encoding: 'utf8', stdio: 'pipe' });
    expect(checked).toContain('Configuration file is valid');
    const api = section('backend api');
    expect(api).toMatch(/^ +balance leastconn$/m);
    expect(Number(/server-template api- (\d+) /.exec(api)?.[1])).toBeGreaterThanOrEqual(10);
  });

  it('ask a resolver for the instances, so that one file serves any number of them', () => {
    for (const name of ['backend api', 'backend websocket'])
      expect(section(name)).toMatch(
        /server-template \w+- 20 "\$\{\w+\}":"\$\{\w+\}" .*resolvers docker .*init-addr none/,
      );
  });
});

const section = (name: string): string => config.split(/^(?=\w)/m).find((part) => part.startsWith(`${name}\n`)) ?? '';

describe('Requests at the edge', () => {
  it('go to the instance with the fewest of them running', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 50 });
    a().delayMs = 2_000;
    const running = Promise.all(Array.from({ length: 6 }, () => ask(`${edge.url}/running`, { agent })));
    await waitUntil(() => a().requests.length > 0 && b().requests.length > 0, 5_000);
    const names = (await askTimes(20, `${edge.url}/quick`, agent)).map(nameIn);
    expect(names).toEqual(Array(20).fill('b'));
    expect((await running).map(({ status }) => status)).toEqual(Array(6).fill(200));
    agent.destroy();
  });

  it('[A-043] reuse a connection to the instance in 95 of 100 cases and more', async () => {
    expect(section('backend api')).toMatch(/http-reuse safe/);
    expect(section('backend api')).toMatch(/pool-max-conn 32/);
    const agents = Array.from({ length: 8 }, () => new Agent({ keepAlive: true, maxSockets: 1 }));
    await Promise.all(agents.map((agent) => askTimes(100, `${edge.url}/reused`, agent)));
    for (const agent of agents) agent.destroy();
    const arrived = [a(), b()].flatMap(({ name, requests }) => requests.map((one) => `${name}${one.connection}`));
    expect(arrived).toHaveLength(800);
    expect(1 - new Set(arrived).size / arrived.length).toBeGreaterThanOrEqual(0.95);
  });

  it('are sent again when they only read, and never when they may have changed something', async () => {
    for (const backend of [a(), b()]) backend.cuts = 1;
    expect((await ask(`${edge.url}/read`)).status).toBe(200);
    expect(a().requests.length + b().requests.length).toBe(3);
    for (const backend of [a(), b()]) {
      backend.reset();
      backend.cuts = 1;
    }
    const posted = await ask(`${edge.url}/booking`, { method: 'POST', body: '{}', agent: false });
    expect(posted.status).toBe(502);
    expect(posted.headers['content-type']).toBe('application/problem+json');
    expect(JSON.parse(posted.body)).toMatchObject({ status: 502, code: 'edge.no_answer' });
    expect(a().requests.length + b().requests.length).toBe(1);
  });

  it('say who asks by the connection, whatever they claim', async () => {
    const headers = {
      'X-Forwarded-For': '203.0.113.7',
      'X-Forwarded-Proto': 'gopher',
      'X-Forwarded-Host': 'evil.example',
      'X-Real-IP': '203.0.113.7',
      Forwarded: 'for=203.0.113.7',
    };
    await ask(`${edge.url}/claimed`, { headers });
    await ask(`${edge.httpsUrl}/claimed`, { headers, ca: edge.certificate });
    const seen = [a(), b()].flatMap(({ requests }) => requests.map((one) => one.headers));
    expect(seen.map((one) => one['x-forwarded-for'])).toEqual(['127.0.0.1', '127.0.0.1']);
    expect(seen.map((one) => one['x-forwarded-proto']).sort()).toEqual(['http', 'https']);
    expect(JSON.stringify(seen)).not.toMatch(/203\.0\.113|evil|gopher/);
  });

  it('reach no metrics from outside, however the path is written', async () => {
    for (const path of ['/metrics', '/metrics/', '//metrics', '/%6Detrics', '/metrics?x=1'])
      expect([path, (await ask(`${edge.url}${path}`)).status]).toEqual([path, 404]);
    expect(a().requests.length + b().requests.length).toBe(0);
  });

  it('leave no path in the log, which may name a person', async () => {
    for (const backend of [a(), b()]) backend.cuts = 1;
    await ask(`${edge.url}/lovelace?name=lovelace`, { method: 'POST', agent: false });
    await waitUntil(() => /"http.response.status_code":502/.test(edge.log()), 5_000);
    expect(edge.log()).toMatch(/"edge.backend":"api"/);
    expect(edge.log()).not.toContain('lovelace');
  });
});

describe('Encryption at the edge', () => {
  it('[D-059] sends plain HTTP to https, refuses TLS 1.1, takes 1.2 and 1.3 and tells browsers to stay', async () => {
    const plain = await ask(`${strict.url}/docs?x=1`, { headers: { host: `localhost:${strict.ports.http}` } });
    expect(plain.status).toBe(301);
    expect(plain.headers.location).toBe(`https://localhost:${strict.ports.https}/docs?x=1`);
    expect(a().requests.length + b().requests.length).toBe(0);

    expect(await agreedTls(strict.ports.https, 'TLSv1.1')).toBeUndefined();
    expect(await agreedTls(strict.ports.https, 'TLSv1.2')).toBe('TLSv1.2');
    expect(await agreedTls(strict.ports.https, 'TLSv1.3')).toBe('TLSv1.3');

    const answer = await ask(`${strict.httpsUrl}/docs`, { ca: strict.certificate });
    expect(answer.status).toBe(200);
    expect(answer.headers['strict-transport-security']).toBe('max-age=63072000; includeSubDomains');
  });

  it('is refused by a client that speaks TLS 1.1 to others', async () => {
    const own = selfSignedCertificate({ names: ['localhost'], notBefore: 1.7e12, notAfter: 2.4e12 });
    const server = createTlsServer({
      cert: own.certificate,
      key: own.privateKey,
      minVersion: 'TLSv1',
      ciphers: 'DEFAULT:@SECLEVEL=0',
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { readonly port: number };
    expect(await agreedTls(port, 'TLSv1.1')).toBe('TLSv1.1');
    server.close();
  });

  it('comes with HTTP/2 for who wants it, HTTP/1.1 inside', async () => {
    const session = connectHttp2(strict.httpsUrl, { ca: strict.certificate });
    const stream = session.request({ ':path': '/over-h2' });
    const status = await new Promise((resolve, reject) => {
      stream.once('response', (headers) => resolve(headers[':status']));
      session.once('error', reject);
    });
    expect(session.alpnProtocol).toBe('h2');
    expect(status).toBe(200);
    session.destroy();
  });

  it('has a certificate for tests that names what it stands for', () => {
    const certificate = new X509Certificate(strict.certificate);
    expect(certificate.checkHost('localhost')).toBe('localhost');
    expect(certificate.checkIP('127.0.0.1')).toBe('127.0.0.1');
    expect(certificate.checkHost('elsewhere.example')).toBeUndefined();
    expect(certificate.verify(certificate.publicKey)).toBe(true);
  });
});

describe('Sockets at the edge', () => {
  const upgrade = (): Promise<{
    readonly accept: string | undefined;
    readonly socket: Socket;
    readonly key: string;
  }> => {
    const key = randomBytes(16).toString('base64');
    const headers = {
      connection: 'upgrade',
      upgrade: 'websocket',
      'sec-websocket-key': key,
      'sec-websocket-version': '13',
    };
    return new Promise((resolve, reject) => {
      const asked = request(`${edge.url}/socket.io/?EIO=4&transport=websocket`, { headers });
      asked.once('error', reject);
      asked.once('response', ({ statusCode }) => reject(new Error(`answered ${statusCode}`)));
      asked.once('upgrade', (response, socket) =>
        resolve({ accept: response.headers['sec-websocket-accept'], socket: socket as Socket, key }),
      );
      asked.end();
    });
  };

  it('are opened and carry bytes both ways, to any gateway', async () => {
    const sockets = await Promise.all(Array.from({ length: 4 }, upgrade));
    for (const { accept, socket, key } of sockets) {
      expect(accept).toBe(createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64'));
      const echoed = new Promise((resolve) => socket.once('data', (chunk) => resolve(chunk.toString())));
      socket.write('booked');
      expect(await echoed).toBe('booked');
    }
    expect([g().requests.length, h().requests.length]).toEqual([2, 2]);
    for (const { socket } of sockets) socket.destroy();
  });

  it('[C-077] have a cookie that leads a poll back to its gateway, where polling is enabled, and none otherwise', async () => {
    const first = await ask(`${edge.url}/socket.io/?transport=polling`);
    const [cookie] = first.headers['set-cookie']?.[0]?.split(';') ?? [];
    expect(first.headers['set-cookie']?.[0]).toMatch(/^praxis_gateway=\w+; .*HttpOnly; Secure; SameSite=Strict/);
    const again = await Promise.all(
      Array.from({ length: 6 }, () => ask(`${edge.url}/socket.io/`, { headers: { cookie: cookie! } })),
    );
    expect(new Set(again.map(nameIn))).toEqual(new Set([nameIn(first)]));
    expect((await ask(`${edge.url}/api/v1/members`)).headers['set-cookie']).toBeUndefined();

    const without = await Promise.all(
      Array.from({ length: 4 }, () => ask(`${strict.httpsUrl}/socket.io/`, { ca: strict.certificate })),
    );
    expect(without.map(({ headers }) => headers['set-cookie'])).toEqual(Array(4).fill(undefined));
    expect(new Set(without.map(nameIn))).toEqual(new Set(['g', 'h']));
  });
});

describe('Limits of one source', () => {
  const agent = () => new Agent({ keepAlive: true, maxSockets: 8 });
  const statuses = async (count: number, url: string): Promise<readonly (readonly [number, string | undefined])[]> => {
    const lanes = agent();
    const answers = await Promise.all(Array.from({ length: count }, () => ask(url, { agent: lanes })));
    lanes.destroy();
    return answers.map(({ status, headers }) => [status, headers['retry-after']]);
  };

  it('[A-045] are 1,000 requests in a second: the next one is refused, and told when to come again', async () => {
    await sleep(2_100);
    const startedAt = performance.now();
    const answered = await statuses(1_100, `${strict.url}/api/v1/members`);
    const tookMs = performance.now() - startedAt;
    const refused = answered.filter(([status]) => status === 429);
    // Where the machine needed longer than a second, the second's end let some more through.
    expect(refused.length).toBeGreaterThanOrEqual(Math.ceil(100 - Math.max(0, tookMs - 1_000)));
    expect(answered.length - refused.length).toBeGreaterThanOrEqual(1_000);
    expect(new Set(refused.map(([, retryAfter]) => retryAfter))).toEqual(new Set(['1']));
    await sleep(2_100);
    expect((await ask(`${strict.url}/api/v1/members`)).status).toBe(301);
  });

  it('are 10 requests in a second to anything about logging in', async () => {
    await sleep(2_100);
    const answered = await statuses(11, `${strict.url}/api/v1/auth/login`);
    expect(answered.map(([status]) => status).sort()).toEqual([...Array(10).fill(301), 429]);
    expect(answered.find(([status]) => status === 429)?.[1]).toBe('1');
    expect((await ask(`${strict.url}/api/v1/auth%2Flogin`)).status).toBe(429);
    expect((await ask(`${strict.url}/api/v1/members`)).status).toBe(301);
  });

  it('[D-046] are so many connections, and ten seconds for a request’s headers', async () => {
    const lanes = new Agent({ keepAlive: true });
    const opened = await Promise.allSettled(
      Array.from({ length: 60 }, () => ask(`${strict.url}/docs`, { agent: lanes })),
    );
    lanes.destroy();
    expect(opened.filter(({ status }) => status === 'fulfilled').length).toBeLessThanOrEqual(50);
    expect(opened.filter(({ status }) => status === 'rejected').length).toBeGreaterThanOrEqual(10);

    const { said, afterMs } = await slowClient;
    expect(said).toMatch(/^HTTP\/1\.1 408 /);
    expect(afterMs).toBeGreaterThan(5_000);
    expect(afterMs).toBeLessThan(10_000);
  });
});

describe('An instance', () => {
  it('[A-041] [B-089] [D-077] that is dead gets nothing within 6 s, and requests again when it is back', async () => {
    expect(section('backend api')).toMatch(/fall 3 rise 2/);
    expect(section('backend api')).toMatch(/observe layer7 error-limit 10 on-error mark-down/);
    const spare = await EdgeBackend.start('spare');
    await edge.reload({ apis: [a(), spare], gateways: [g(), h()] });
    await spare.stop();
    expect(await becomes(edge, 'api-2', 'DOWN', 6_000)).toBe(true);
    const names = await askTimes(10, `${edge.url}/after`, new Agent());
    expect(new Set(names.map(nameIn))).toEqual(new Set(['a']));
    await edge.reload({ apis: [a(), b()], gateways: [g(), h()] });
  });

  it('that answers ten times in a row with a failure of its own gets nothing for a while', async () => {
    await waitUntil(async () => (await stateOf(edge, 'api-2')) === 'UP', 6_000);
    b().failing = true;
    a().delayMs = 200;
    const lanes = new Agent({ keepAlive: true, maxSockets: 30 });
    await Promise.all(Array.from({ length: 60 }, () => ask(`${edge.url}/x`, { agent: lanes, method: 'POST' })));
    lanes.destroy();
    expect(await becomes(edge, 'api-2', 'DOWN', 2_000)).toBe(true);
    for (const backend of [a(), b()]) backend.reset();
    expect(await becomes(edge, 'api-2', 'UP', 10_000)).toBe(true);
  });

  it('that says so takes less, or nothing, while its checks are still good', async () => {
    const weightOf = async (name: string) => {
      const { body } = await ask(`${strict.statsUrl}/metrics`);
      return Number(
        new RegExp(`^haproxy_server_weight\\{proxy="api",server="${name}"\\} (\\d+)$`, 'm').exec(body)?.[1],
      );
    };
    const full = await weightOf('api-2');
    b().agentSays = 'ready 25%';
    expect(await waitUntil(async () => (await weightOf('api-2')) < full / 2, 6_000)).toBe(true);
    b().agentSays = 'drain';
    expect(await becomes(strict, 'api-2', 'DRAIN', 6_000)).toBe(true);
    b().agentSays = 'ready 100%';
    expect(await becomes(strict, 'api-2', 'UP', 6_000)).toBe(true);
  });
});
