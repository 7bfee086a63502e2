import { spawnSync } from 'node:child_process';
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
        const counts = stdout
          .trimEnd()
          .split('\n')
          .map((line) => JSON.parse(line)['praxis.count']);
        expect(counts).toEqual(Array.from({ length }, (_, n) => n + 1));
      }
    },
    60_000,
  );
});
