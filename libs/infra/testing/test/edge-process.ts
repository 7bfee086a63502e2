import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';

/** Serves until SIGTERM; then it says that it is not ready, waits as the api does, ends what runs and exits. */
const program = `
  const http = require('node:http');
  const [port, drainWaitMs] = process.argv.slice(1).map(Number);
  let draining = false;
  const server = http.createServer((request, response) => {
    if (request.url === '/health/ready') response.statusCode = draining ? 503 : 200;
    if (draining) response.setHeader('connection', 'close');
    request.resume().once('end', () => setTimeout(() => response.end('{}'), 5));
  });
  server.keepAliveTimeout = 65_000;
  server.listen(port, '127.0.0.1', () => process.send(server.address().port));
  process.once('SIGTERM', () => {
    draining = true;
    setTimeout(() => {
      server.close(() => process.exit(0));
      server.closeIdleConnections();
    }, drainWaitMs);
  });
`;

/** An instance in a process of its own, so that it can be killed and drained as the real ones are. */
export class EdgeProcess {
  #child: ChildProcess | undefined;
  #port = 0;

  constructor(private readonly drainWaitMs: number) {}

  get port(): number {
    return this.#port;
  }

  /** On the same port each time. */
  async start(): Promise<void> {
    const args = ['-e', program, String(this.#port), String(this.drainWaitMs)];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    this.#child = child;
    const [port] = (await once(child, 'message')) as [number];
    this.#port = port;
  }

  kill(): Promise<number | null> {
    return this.end('SIGKILL');
  }

  /** Its exit status: 0 when everything ended by itself. */
  drain(): Promise<number | null> {
    return this.end('SIGTERM');
  }

  private async end(signal: NodeJS.Signals): Promise<number | null> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined) return null;
    const gone = once(child, 'exit');
    child.kill(signal);
    return (await gone)[0] as number | null;
  }
}
