import { type ChildProcess, spawn } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CompiledProduct, isAlive, projectRoot, stackHome, waitUntil } from '#infra/testing';

/** Compiling, making the databases of three servers and starting everything take about a quarter of a minute. */
const patienceMs = 120_000;

/** `praxis stack …` of the present sources, in a home of its own with the machine's own binaries. */
class Terminal {
  readonly #product = new CompiledProduct('apps', 'libs', 'migrations', 'tools');
  readonly home = mkdtempSync(join(realpathSync(tmpdir()), 'praxis-whole-stack-'));
  readonly #children: ChildProcess[] = [];

  constructor() {
    symlinkSync(join(projectRoot(), 'deploy'), this.#product.file('deploy'));
    chmodSync(this.home, 0o711);
    mkdirSync(stackHome(), { recursive: true });
    const binaries = readdirSync(stackHome()).filter((name) => /^(postgres-\d|redis-server|haproxy)/.test(name));
    for (const name of binaries) symlinkSync(join(stackHome(), name), join(this.home, name));
  }

  get stackFolder(): string {
    return join(this.home, 'stack');
  }

  run(...args: readonly string[]) {
    const child = spawn(process.execPath, [this.#product.program('tools/praxis.ts'), 'stack', ...args], {
      env: { ...process.env, PRAXIS_HOME: this.home },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#children.push(child);
    const said = { text: '' };
    const hear = (chunk: unknown) => {
      said.text += String(chunk);
    };
    for (const stream of [child.stdout, child.stderr]) stream.on('data', hear);
    const ended = new Promise<number | null>((resolve) => child.once('close', (code) => resolve(code)));
    return { child, said, ended };
  }

  async answer(...args: readonly string[]): Promise<{ readonly text: string; readonly status: number | null }> {
    const { said, ended } = this.run(...args);
    return { status: await ended, text: said.text };
  }

  /** Of apps and servers, as they noted them when they started. */
  pids(): readonly number[] {
    const apps = join(this.stackFolder, 'apps');
    const files = [
      ...(existsSync(apps) ? readdirSync(apps).map((name) => join(apps, name)) : []),
      ...['postgres-1', 'postgres-1-replica', 'postgres-2', 'postgres-3'].map((name) =>
        join(this.stackFolder, name, 'postmaster.pid'),
      ),
      ...['redis', 'edge'].map((name) => join(this.stackFolder, name, 'praxis.pid')),
    ];
    return files.filter((file) => existsSync(file)).map((file) => Number.parseInt(readFileSync(file, 'utf8'), 10));
  }

  async close(): Promise<void> {
    for (const child of this.#children) child.kill('SIGKILL');
    await this.answer('down');
    this.#product.remove();
    rmSync(this.home, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
  }
}

describe('the whole product on one machine', () => {
  let terminal: Terminal;
  beforeAll(() => {
    terminal = new Terminal();
  });
  afterAll(() => terminal.close(), patienceMs);

  it(
    'runs until it is stopped from another terminal, and a killed run is cleared away by the same word',
    async () => {
      expect(await terminal.answer('status')).toEqual({ status: 1, text: 'It does not run.\n' });
      const { child, said, ended } = terminal.run('up', '--apis', '1', '--gateways', '1');
      await waitUntil(() => /Praxis is ready/.test(said.text) || child.exitCode !== null, patienceMs);
      expect(said.text).toContain('Praxis is ready');
      const status = await terminal.answer('status');
      expect(status.text.match(/ (ready|up) /g)).toHaveLength(10);
      expect(status.status).toBe(0);
      expect((await terminal.answer('up')).text).toContain('It already runs');
      expect(terminal.pids().filter(isAlive)).toHaveLength(9);
      expect(await terminal.answer('down')).toMatchObject({ status: 0 });
      expect([await ended, terminal.pids().filter(isAlive)]).toEqual([0, []]);

      const second = terminal.run('up', '--apis', '1', '--gateways', '1');
      await waitUntil(() => terminal.pids().filter(isAlive).length >= 8, patienceMs);
      second.child.kill('SIGKILL');
      await second.ended;
      const left = terminal.pids().filter(isAlive);
      expect(left.length).toBeGreaterThanOrEqual(8);
      expect(await terminal.answer('down')).toEqual({
        status: 0,
        text: 'Stopped what a killed run had left behind.\n',
      });
      expect(left.filter(isAlive)).toEqual([]);
    },
    patienceMs,
  );
});
