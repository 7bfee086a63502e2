import type { Server } from 'node:http';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { bearer, type Edge, person, startEdge } from './edge-fixture.js';
import { ThingsController } from './edge-things.js';

const manager = person(['things.read', 'things.manage']);

/** A connection on which single bytes can be sent, and everything that came back on it. */
class Wire {
  private readonly socket: Socket;
  readonly opened = performance.now();
  received = '';
  readonly closedAfterMs: Promise<number>;

  constructor(port: number) {
    this.socket = connect(port, '127.0.0.1');
    this.socket.on('data', (chunk) => {
      this.received += String(chunk);
    });
    this.socket.on('error', () => this.socket.destroy());
    this.closedAfterMs = new Promise((resolve) => {
      this.socket.once('close', () => resolve(performance.now() - this.opened));
    });
  }

  send(text: string): void {
    if (this.socket.writable) this.socket.write(text);
  }

  hangUp(): void {
    this.socket.destroy();
  }

  get isOpen(): boolean {
    return !this.socket.destroyed;
  }
}

const head = (path: string, length: number): string =>
  [
    `POST ${path} HTTP/1.1`,
    'Host: api',
    `Authorization: ${bearer(manager).authorization}`,
    'Content-Type: application/json',
    `Content-Length: ${length}`,
    '\r\n',
  ].join('\r\n');

/** One byte a second, until the server has had enough. */
async function trickle(wire: Wire, everyMs: number, mostMs: number): Promise<void> {
  wire.send('{');
  for (let waitedMs = 0; wire.isOpen && waitedMs < mostMs; waitedMs += everyMs) {
    await sleep(everyMs);
    wire.send(' ');
  }
}

const problemIn = (text: string) => JSON.parse(text.slice(text.indexOf('\r\n\r\n') + 4));

describe('the server', () => {
  let edge: Edge;
  let server: Server;
  let port: number;
  beforeAll(async () => {
    edge = await startEdge({ controllers: [ThingsController], people: [manager] });
    await edge.app.listen(0, '127.0.0.1');
    server = edge.app.getHttpServer();
    port = (server.address() as { port: number }).port;
  });
  afterAll(() => edge.app.close());

  it('[D-013] a path parameter of 500 characters is served, one of 501 is not', async () => {
    const named = async (length: number) =>
      (await fetch(`http://127.0.0.1:${port}/api/v1/things/named/${'a'.repeat(length)}`, { headers: bearer(manager) }))
        .status;
    expect(await named(500)).toBe(200);
    expect(await named(501)).toBe(414);
  });

  it('[D-071] headersTimeout is 66,000 and longer than keepAliveTimeout', () => {
    expect(server.headersTimeout).toBe(66_000);
    expect(server.headersTimeout).toBeGreaterThan(server.keepAliveTimeout);
  });

  it('[D-072] keepAlive is true on the running server', () => {
    expect((server as unknown as { keepAlive: boolean }).keepAlive).toBe(true);
  });

  it('keepAliveInitialDelay, keepAliveTimeout and requestTimeout are what the running server says', () => {
    // Node keeps this one in seconds.
    expect((server as unknown as { keepAliveInitialDelay: number }).keepAliveInitialDelay).toBe(10);
    expect(server.keepAliveTimeout).toBe(65_000);
    expect(server.requestTimeout).toBe(30_000);
  });

  it("a body that trickles is cut with 408 at its route's own deadline, and counts as such", async () => {
    const wire = new Wire(port);
    wire.send(head('/api/v1/things/slow', 100));
    await trickle(wire, 50, 3_000);
    const closedAfterMs = await wire.closedAfterMs;
    expect(wire.received).toMatch(/^HTTP\/1\.1 408 /);
    expect(wire.received).toMatch(/\r\nconnection: close\r\n/i);
    expect(problemIn(wire.received)).toMatchObject({ status: 408, code: 'request.body_too_slow' });
    expect(closedAfterMs).toBeGreaterThanOrEqual(390);
    expect(closedAfterMs).toBeLessThan(1_500);
    const logged = edge.lines.of('request.done').filter((line) => line['http.route'] === '/api/v1/things/slow');
    expect(logged).toMatchObject([{ 'http.response.status_code': 408, 'error.code': 'request.body_too_slow' }]);
  });

  it('a body that comes in time is served on the same route, and its timer does not outlive it', async () => {
    const answer = await fetch(`http://127.0.0.1:${port}/api/v1/things/slow`, {
      method: 'POST',
      headers: { ...bearer(manager), 'content-type': 'application/json' },
      body: '{"name":"x"}',
    });
    expect(await answer.json()).toEqual({ name: 'x' });
  });

  it('bytes that are no HTTP are answered with a problem and the security headers, and the connection ends', async () => {
    const wire = new Wire(port);
    wire.send('this is not HTTP\r\n\r\n');
    await wire.closedAfterMs;
    expect(wire.received).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/);
    expect(wire.received).toContain('x-content-type-options: nosniff');
    expect(problemIn(wire.received)).toMatchObject({ status: 400, code: 'request.malformed' });
  });

  it('headers beyond 16 KiB are refused', async () => {
    const wire = new Wire(port);
    wire.send(`GET / HTTP/1.1\r\nHost: api\r\nX-Long: ${'a'.repeat(17_000)}\r\n\r\n`);
    await wire.closedAfterMs;
    expect(problemIn(wire.received)).toMatchObject({ code: 'request.headers_too_large' });
  });

  it('a caller who goes away in the middle leaves nothing in flight', async () => {
    const wire = new Wire(port);
    wire.send(head('/api/v1/things/checks', 100));
    await sleep(50);
    wire.hangUp();
    await sleep(100);
    const { body } = await edge.metrics.expose();
    expect(body).toMatch(/http_requests_in_flight\{app="api"\} 0/);
    expect(body).toMatch(/route="\/api\/v1\/things\/checks",status="4\d\d"\} 1/);
  });
});

describe('the limits in time of the server', () => {
  const slackMs = 2_000;

  it('[D-015] [D-016] an idle connection is closed after 65 s; a body at one byte a second is cut after 30 s with 408', async () => {
    const edge = await startEdge({ controllers: [ThingsController], people: [manager] });
    await edge.app.listen(0, '127.0.0.1');
    const server: Server = edge.app.getHttpServer();
    const { port } = server.address() as { port: number };
    expect(server.keepAliveTimeout).toBe(65_000);

    const idle = new Wire(port);
    idle.send(
      `GET /api/v1/things/small HTTP/1.1\r\nHost: api\r\nAuthorization: ${bearer(manager).authorization}\r\n\r\n`,
    );
    const slow = new Wire(port);
    slow.send(head('/api/v1/things/checks', 1_000));
    await trickle(slow, 1_000, 40_000);
    const cutAfterMs = await slow.closedAfterMs;
    expect(Math.abs(cutAfterMs - 30_000)).toBeLessThanOrEqual(slackMs);
    expect(slow.received).toMatch(/^HTTP\/1\.1 408 /);
    expect(problemIn(slow.received)).toMatchObject({ status: 408, code: 'request.body_too_slow' });

    const closedAfterMs = await idle.closedAfterMs;
    expect(idle.received).toMatch(/^HTTP\/1\.1 200 /);
    expect(Math.abs(closedAfterMs - 65_000)).toBeLessThanOrEqual(slackMs);
    await edge.app.close();
  }, 80_000);
});
