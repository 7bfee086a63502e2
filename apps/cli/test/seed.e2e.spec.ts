import { randomBytes } from 'node:crypto';
import { CompiledProduct, openTestDatabases, type TestDatabases } from '#infra/testing';
import { RunningProcess } from './running-process.js';

const runMaxMs = 60_000;

let compiled: CompiledProduct;
let db: TestDatabases;
beforeAll(async () => {
  compiled = new CompiledProduct('apps', 'libs', 'migrations');
  db = await openTestDatabases();
}, runMaxMs);
afterAll(async () => {
  await db?.close();
  compiled?.remove();
});

const signingKey = randomBytes(32).toString('base64');
async function seed() {
  const env = { ...db.env, TOKEN_SIGNING_KEY: signingKey };
  const running = new RunningProcess(compiled.program('apps/cli/src/main.ts'), ['seed'], env);
  const { code } = await running.exited;
  if (code !== 0) throw new Error([...running.out, ...running.err].join('\n'));
  return JSON.parse(running.out.filter((line) => line.startsWith('{')).at(-1) ?? '{}');
}
/** Of both demo tenants, one on each shard. */
const publications = async () =>
  (
    await Promise.all(
      ['shard-1', 'shard-2'].map((shard) => db.asAdmin(shard, 'select open, version from public_catalogue')),
    )
  ).flat();

describe('praxis seed', () => {
  it(
    'makes a clinic that shows its catalogue to everybody, and leaves what was there when it runs again',
    async () => {
      const first = await seed();
      expect(first.logins.map(({ tenant }: { readonly tenant: string }) => tenant)).toEqual([
        'harbour-clinic',
        'northside-club',
      ]);
      expect(await publications()).toEqual([{ open: true, version: 2 }]);
      await db.asAdmin('shard-1', 'update public_catalogue set open = false, version = 3');
      expect((await seed()).ids).toEqual(first.ids);
      expect(await publications()).toEqual([{ open: false, version: 3 }]);
    },
    2 * runMaxMs,
  );
});
