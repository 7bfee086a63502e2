import { type ChildProcess, fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { CompiledProduct, openTestDatabases, type TestDatabases, waitUntil } from '#infra/testing';

const keys = 1_000_000;
const running = 100;
const queued = 2_000;
/** Half of what WORKER_MAX_HEAP allows by default. */
const maxHeapMb = 1_024;
/** As a crew gives it to its workers. */
const engineMb = 1.25 * maxHeapMb;
const cacheBytes = 64 * 2 ** 20;
const body = JSON.stringify({ scan: 'none', nonce: 'n-1' });
const head = [
  'POST /api/v1/cards/verify HTTP/1.1',
  'host: 127.0.0.1',
  'connection: close',
  'content-type: application/json',
  `content-length: ${body.length}`,
];

let db: TestDatabases;
let product: CompiledProduct;
let api: ChildProcess;
let port: number;
beforeAll(async () => {
  product = new CompiledProduct('apps', 'libs', 'migrations');
  db = await openTestDatabases();
  api = fork(product.program('apps/api/test/soak-program.ts'), [], {
    env: {
      ...db.env,
      TOKEN_SIGNING_KEY: randomBytes(32).toString('base64'),
      ENABLE_RATE_LIMITING: 'false',
      // What is looked at is this process: all that it keeps, it keeps itself.
      REDIS_CACHE_URL: 'redis://127.0.0.1:1',
      CACHE_MEMORY_MAX_ENTRIES: String(keys),
      CACHE_MEMORY_MAX_BYTES: String(cacheBytes),
    },
    execArgv: [`--max-old-space-size=${engineMb}`],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  port = Number(await said());
}, 60_000);
afterAll(async () => {
  api?.kill('SIGKILL');
  product?.remove();
  await db?.close();
});

async function said(): Promise<unknown> {
  const [message] = await Promise.race([
    once(api, 'message'),
    once(api, 'exit').then(([code]) => Promise.reject(new Error(`the api ended early, with ${code}`))),
  ]);
  return message;
}

/** All series of one name that have this label, added. */
async function metric(name: string, label = ''): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  const lines = text.split('\n').filter((line) => line.startsWith(`${name}{`) && line.includes(label));
  return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}

/** The most that the process has ever had in memory. */
const peakBytes = (): number =>
  Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${api.pid}/status`, 'utf8'))?.[1]) * 1_024;

/** Asks, and keeps its body back. */
function hesitate(): Socket {
  const socket = connect(port, '127.0.0.1');
  socket.setEncoding('latin1').write(`${head.join('\r\n')}\r\n\r\n`);
  return socket;
}
async function finish(socket: Socket): Promise<string> {
  const answered = once(socket, 'data');
  socket.write(body);
  const [text] = await answered;
  socket.destroy();
  return String(text).slice(9, 12);
}

describe('a process that has read a million different things', () => {
  it('[E-071] and keeps 2,000 requests waiting has never had more memory than WORKER_MAX_HEAP allows, nor half of it', async () => {
    const read = said();
    api.send(keys);
    await read;
    expect(await metric('cache_requests_total', 'tier="source"')).toBe(keys);
    const kept = await metric('cache_memory_bytes');
    expect(kept).toBeLessThanOrEqual(cacheBytes);
    expect(kept).toBeGreaterThan(0.9 * cacheBytes);
    const sockets = Array.from({ length: running + queued }, hesitate);
    expect(await waitUntil(async () => (await metric('admission_queue_length')) === queued, 20_000)).toBe(true);
    expect(await metric('admission_running')).toBe(running);
    expect(peakBytes()).toBeLessThan(maxHeapMb * 2 ** 20);
    expect(new Set(await Promise.all(sockets.map(finish)))).toEqual(new Set(['200']));
    expect(peakBytes()).toBeLessThan(maxHeapMb * 2 ** 20);
  }, 120_000);
});
