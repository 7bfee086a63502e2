import { existsSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { StackError, serverAccount } from './places.js';
import { makeDataDir, PortTakenError, writeOwned } from './postgres-server.js';
import type { Durability } from './postgres-settings.js';
import { birthOf, isAlive, logTail, signal, startServer, stopProcess, waitUntil } from './processes.js';
import { systemProgram } from './system-program.js';

export interface RedisPlan {
  readonly binariesHome: string;
  readonly dataDir: string;
  readonly port: number;
  /** Empty for none. */
  readonly password: string;
  readonly durability: Durability;
  /** Lines of redis.conf before the usual ones, which win. */
  readonly settings?: string;
  readonly note: (line: string) => void;
}

const host = '127.0.0.1';
const startTimeoutMs = 10_000;
const stopTimeoutMs = 10_000;
const pingTimeoutMs = 500;

/** One Redis on loopback, with a password and `noeviction`, as the queues demand it. */
export class RedisServer {
  readonly host = host;
  private constructor(
    readonly port: number,
    readonly password: string,
    readonly pid: number,
    private readonly dataDir: string,
  ) {}

  get url(): string {
    return `redis://${this.password === '' ? '' : `:${this.password}@`}${host}:${this.port}`;
  }

  static async start(plan: RedisPlan): Promise<RedisServer> {
    const { dataDir, port, password } = plan;
    const binary = systemProgram('redis', plan.binariesHome, plan.note);
    if (!existsSync(dataDir)) makeDataDir(dataDir);
    await stopStaleRedis(dataDir);
    writeOwned(join(dataDir, 'redis.conf'), redisSettings(plan));
    const logFile = `${dataDir}.log`;
    const child = await startServer({
      program: binary.program,
      args: [join(dataDir, 'redis.conf')],
      cwd: dataDir,
      logFile,
      account: serverAccount(),
      lastSignal: 'SIGTERM',
      environment: binary.libraryPath === undefined ? {} : { LD_LIBRARY_PATH: binary.libraryPath },
    });
    writeOwned(join(dataDir, 'praxis.pid'), `${child.pid} ${birthOf(child.pid)}`);
    const answered = await waitUntil(
      async () => child.exitCode !== null || (await pings(port, password)),
      startTimeoutMs,
    );
    if (answered && child.exitCode === null) return new RedisServer(port, password, child.pid, dataDir);
    signal(child.pid, 'SIGKILL');
    throw startFailure(port, logTail(logFile));
  }

  async stop(): Promise<void> {
    await stopProcess(this.pid, [
      ['SIGTERM', stopTimeoutMs],
      ['SIGKILL', stopTimeoutMs],
    ]);
    rmSync(join(this.dataDir, 'praxis.pid'), { force: true });
  }

  /** As a power cut would. */
  async kill(): Promise<void> {
    await stopProcess(this.pid, [['SIGKILL', stopTimeoutMs]]);
  }

  /** For the last moment of a process that cannot wait any more. */
  stopWithoutWaiting(): void {
    signal(this.pid, 'SIGKILL');
  }
}

function redisSettings({ settings = '', dataDir, port, password, durability }: RedisPlan): string {
  return `${settings}
bind ${host}
port ${port}
${password === '' ? '' : `requirepass ${password}\n`}dir ${dataDir}
save ""
appendonly ${durability === 'durable' ? 'yes' : 'no'}
appendfsync everysec
maxmemory-policy noeviction
`;
}

/** Stops a server that a killed run left behind: the pid must be of the very process that was started here. */
export async function stopStaleRedis(dataDir: string): Promise<boolean> {
  const pidFile = join(dataDir, 'praxis.pid');
  if (!existsSync(pidFile)) return false;
  const [pidText, ...birth] = readFileSync(pidFile, 'utf8').split(' ');
  const pid = Number(pidText);
  if (!Number.isInteger(pid) || pid <= 1 || !isAlive(pid) || birthOf(pid) !== birth.join(' ')) return false;
  await stopProcess(pid, [
    ['SIGTERM', stopTimeoutMs],
    ['SIGKILL', stopTimeoutMs],
  ]);
  return true;
}

/** Asks for PONG in Redis's own words, so that readiness needs no client library. */
function pings(port: number, password: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    let answer = '';
    const finish = (ready: boolean) => {
      socket.destroy();
      resolve(ready);
    };
    socket.setTimeout(pingTimeoutMs, () => finish(false));
    socket.once('error', () => finish(false));
    socket.once('connect', () => socket.write(`${password === '' ? '' : `AUTH ${password}\r\n`}PING\r\n`));
    socket.on('data', (chunk) => {
      answer += chunk.toString('utf8');
      if (answer.includes('+PONG')) finish(true);
      else if (/^-(?!LOADING)/m.test(answer)) finish(false);
    });
  });
}

function startFailure(port: number, log: string): StackError {
  if (/Address already in use/i.test(log)) return new PortTakenError(`port ${port} is in use`);
  return new StackError(`Redis did not start on port ${port}:\n${log}`);
}
