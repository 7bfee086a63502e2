import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { CompiledProduct } from '#infra/testing';

/** From one that is held to the end to more than a stream takes at once. */
const lengths = [1, 100, 400, 3_000];

describe('a process that ends', () => {
  let compiled: CompiledProduct;
  beforeAll(() => {
    compiled = new CompiledProduct('libs/infra');
  }, 60_000);
  afterAll(() => compiled?.remove());

  it.each(['returns', 'exits', 'throws'])(
    'has written every line of its log, each once and in order, where it %s',
    (ending) => {
      const program = compiled.program('libs/infra/telemetry/test/talking-process.ts');
      for (const length of lengths) {
        const { stdout } = spawnSync(process.execPath, [program, String(length), ending], {
          encoding: 'utf8',
          maxBuffer: 2 ** 24,
        });
        expect(countsIn(stdout)).toEqual(Array.from({ length }, (_, n) => n + 1));
      }
    },
    60_000,
  );

  it('is held up by nobody who does not read, and loses none of the lines that waited', async () => {
    const length = 3_000;
    const stdout = await readLate(length);
    expect(countsIn(stdout)).toEqual(Array.from({ length }, (_, n) => n + 1));
  }, 60_000);

  it('keeps 64 MiB for whoever reads late, and says where it dropped how many bytes', async () => {
    const length = 600_000;
    const stdout = await readLate(length);
    expect(stdout.length).toBeGreaterThan(64 * 2 ** 20);
    expect(stdout.length).toBeLessThan(66 * 2 ** 20);
    const lines = stdout.trimEnd().split('\n');
    const fixedBytes = (lines[0]?.length ?? 0) - '1'.length + '\n'.length;
    let next = 1;
    let missingBytes = 0;
    const miss = (until: number) => {
      for (; next < until; next += 1) missingBytes += fixedBytes + String(next).length;
      next += 1;
    };
    for (const line of lines) {
      const { 'praxis.count': count, 'praxis.bytes': dropped } = JSON.parse(line);
      if (dropped === undefined) miss(count);
      else missingBytes -= dropped;
    }
    miss(length + 1);
    expect(missingBytes).toBe(0);
  }, 60_000);

  it('loses nothing to a reader who reads along, however much it says at once', () => {
    const length = 420_000;
    const program = compiled.program('libs/infra/telemetry/test/talking-process.ts');
    const { stdout } = spawnSync(process.execPath, [program, String(length), 'exits'], { maxBuffer: 2 ** 27 });
    expect(stdout.length).toBeGreaterThan(2 ** 26);
    expect(countsIn(stdout.toString())).toEqual(Array.from({ length }, (_, n) => n + 1));
  }, 60_000);

  /** All that it says, read only after it has said it. */
  async function readLate(length: number): Promise<string> {
    const program = compiled.program('libs/infra/telemetry/test/talking-process.ts');
    const child = spawn(process.execPath, [program, String(length), 'stays']);
    const [said] = await once(child.stderr, 'data');
    expect(String(said)).toContain('still here');
    const read: Buffer[] = [];
    child.stdout.on('data', (bytes) => read.push(bytes));
    child.stdin.end();
    await once(child, 'close');
    return Buffer.concat(read).toString();
  }
});

const countsIn = (stdout: string): number[] =>
  stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line)['praxis.count']);
