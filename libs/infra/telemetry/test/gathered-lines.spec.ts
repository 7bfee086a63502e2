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
    const program = compiled.program('libs/infra/telemetry/test/talking-process.ts');
    const child = spawn(process.execPath, [program, String(length), 'stays']);
    const [said] = await once(child.stderr, 'data');
    expect(String(said)).toContain('still here');
    let stdout = '';
    child.stdout.on('data', (bytes) => {
      stdout += bytes;
    });
    child.stdin.end();
    await once(child, 'close');
    expect(countsIn(stdout)).toEqual(Array.from({ length }, (_, n) => n + 1));
  }, 60_000);
});

const countsIn = (stdout: string): number[] =>
  stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line)['praxis.count']);
