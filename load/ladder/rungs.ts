import { execFileSync, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { processCpuMs } from '../cpu.js';
import { type Headers, HttpConnection } from '../http-client.js';

/** One kind of request at one process. */
export interface Rung {
  readonly name: string;
  readonly pid: number;
  readonly url: string;
  readonly path: string;
  readonly headers: Headers;
}

export interface Measured {
  readonly cpuUs: number;
  readonly perSecond: number;
}

/** Enough to keep a process busy while others of them wait for a commit, and fewer than it lets in at once. */
const connections = 96;

/** Puts the same request for `seconds` on 96 connections. Throws when one is not answered with 200. */
export async function measure({ pid, url, path, headers }: Rung, seconds: number): Promise<Measured> {
  const all = Array.from({ length: connections }, () => new HttpConnection(url));
  await Promise.all(all.map((connection) => connection.open()));
  const cpuBeforeMs = processCpuMs(pid);
  const startedAt = performance.now();
  const endAt = startedAt + seconds * 1_000;
  let answered = 0;
  await Promise.all(
    all.map(async (connection) => {
      while (performance.now() < endAt) {
        const { status, body } = await connection.request('GET', path, headers);
        if (status !== 200) throw new Error(`${path} was answered with ${status}: ${body}`);
        answered += 1;
      }
    }),
  );
  const cpuMs = processCpuMs(pid) - cpuBeforeMs;
  const elapsedMs = performance.now() - startedAt;
  for (const connection of all) connection.close();
  return { cpuUs: (cpuMs * 1_000) / answered, perSecond: (answered * 1_000) / elapsedMs };
}

export interface BareServer {
  readonly pid: number;
  readonly url: string;
  stop(): void;
}

/** Fastify alone, in a process of its own, answering these texts under /0, /1 … */
export async function startBareServer(texts: readonly { type: string; body: string }[]): Promise<BareServer> {
  const program = fileURLToPath(new URL('./bare-server.js', import.meta.url));
  const child = spawn(process.execPath, [program, JSON.stringify(texts)], { stdio: ['ignore', 'pipe', 'inherit'] });
  const port = await new Promise<string>((resolve, reject) => {
    createInterface(child.stdout).once('line', resolve);
    child.once('error', reject).once('exit', (code) => reject(new Error(`bare Fastify ended with ${code}`)));
  });
  return { pid: child.pid ?? 0, url: `http://127.0.0.1:${port}`, stop: () => void child.kill('SIGTERM') };
}

/** All threads of a process on one processor. False where the system cannot. */
export function pin(pid: number, processor: number): boolean {
  try {
    execFileSync('taskset', ['-a', '-p', '-c', String(processor), String(pid)], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
