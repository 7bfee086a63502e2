import { CompiledProduct, LocalCluster, type PostgresServer } from '#infra/testing';
import { directoryMigrations, shardMigrations } from '#migrations';
import { RunningProcess } from './running-process.js';

let compiled: CompiledProduct;
let cluster: LocalCluster;
let env: Readonly<Record<string, string>>;

beforeAll(async () => {
  compiled = new CompiledProduct('apps', 'libs', 'migrations');
  cluster = await LocalCluster.startTemporary({ servers: 2, replica: false, redis: false, durable: false });
  const [first, second] = cluster.servers as readonly [PostgresServer, PostgresServer];
  const at = ({ host, port }: PostgresServer, name: string) => `postgres://praxis_app:app@${host}:${port}/${name}`;
  env = {
    DIRECTORY_URL: at(first, 'directory'),
    SHARD_1_URL: at(first, 'shard_1'),
    SHARD_2_URL: at(second, 'shard_2'),
    DB_RELAY_PASSWORD: 'relay',
    DB_READONLY_PASSWORD: 'ro',
    DB_ADMIN_USER: first.superuser.user,
    DB_ADMIN_PASSWORD: first.superuser.password,
  };
}, 120_000);
afterAll(async () => {
  await cluster?.stop();
  compiled?.remove();
}, 60_000);

async function praxis(...words: readonly string[]) {
  const run = new RunningProcess(compiled.program('apps/cli/src/main.ts'), words, env);
  const { code } = await run.exited;
  return { code, out: run.out, err: run.err };
}
const inDirectory = (sql: string) =>
  cluster.servers[0]?.asSuperuser(async (client) => (await client.query(sql)).rows, 'directory');

describe('praxis migrate', () => {
  it('says before what it would do, where nothing is yet, and does nothing', async () => {
    const { code, out } = await praxis('migrate', '--dry-run');
    expect(code).toBe(0);
    expect(out).toHaveLength(directoryMigrations.length + 2 * shardMigrations.length + 1);
    expect(out[0]).toBe('directory: Foundation1795219200001 (expand)');
    expect(out.at(-1)).toBe('order: directory, shard-1, then two by two');
    expect((await praxis('migrate', '--dry-run')).out).toEqual(out);
  }, 30_000);

  it('[C-126] run twice applies nothing the second time, and both succeed', async () => {
    const first = await praxis('migrate');
    expect([first.code, first.err]).toEqual([0, []]);
    expect(first.out.filter((line) => / done \(/.test(line))).toHaveLength(
      directoryMigrations.length + 2 * shardMigrations.length,
    );
    const second = await praxis('migrate');
    expect([second.code, second.err]).toEqual([0, []]);
    expect(second.out).toEqual(['directory: up to date', 'shard-1: up to date', 'shard-2: up to date']);
    expect((await praxis('migrate', '--dry-run')).out).toEqual(['nothing to do']);
  }, 60_000);

  it('shows one row for each database', async () => {
    const { code, out } = await praxis('migrate', '--status');
    expect(code).toBe(0);
    expect(out.map((line) => line.split(/ {2,}/).slice(0, 4))).toEqual([
      ['database', 'version', 'state', 'attempts'],
      ['directory', expect.stringMatching(/^\d{13}$/), 'up to date', '1'],
      ['shard-1', expect.stringMatching(/^\d{13}$/), 'up to date', '1'],
      ['shard-2', expect.stringMatching(/^\d{13}$/), 'up to date', '1'],
    ]);
  }, 30_000);

  it('refuses words that it does not know', async () => {
    for (const words of [['--contracts'], ['--status', '--dry-run'], ['now']])
      expect(await praxis('migrate', ...words)).toMatchObject({ code: 2, out: [] });
    expect(await praxis('migrate', '--canary', 'shard-9')).toMatchObject({
      code: 1,
      err: [expect.stringContaining('there is no shard-9')],
    });
  }, 30_000);
});

describe('praxis shards', () => {
  it('[A-049] init registers the shards that the directory does not know, and changes nothing the second time', async () => {
    await inDirectory('delete from shard');
    const first = await praxis('shards', 'init');
    expect([first.code, first.out]).toEqual([0, ['shard-1: registered', 'shard-2: registered']]);
    const registered = await inDirectory('select * from shard order by id');
    expect(registered).toHaveLength(2);
    const second = await praxis('shards', 'init');
    expect([second.code, second.out]).toEqual([0, ['shard-1: no change', 'shard-2: no change']]);
    expect(await inDirectory('select * from shard order by id')).toEqual(registered);
  }, 30_000);

  it('[C-127] status prints JSON for each shard, and fails when one has stopped', async () => {
    const shardsOf = (out: readonly string[]) =>
      JSON.parse(out.join('\n')).shards as readonly Record<string, unknown>[];
    const well = await praxis('shards', 'status', '--json');
    expect(well.code).toBe(0);
    expect(shardsOf(well.out).map(({ id, error, bytes }) => [id, error, typeof bytes])).toEqual([
      ['shard-1', null, 'number'],
      ['shard-2', null, 'number'],
    ]);
    await cluster.servers[1]?.stop();
    const away = await praxis('shards', 'status', '--json');
    expect(away.code).not.toBe(0);
    expect(shardsOf(away.out).map(({ id, error }) => [id, error === null])).toEqual([
      ['shard-1', true],
      ['shard-2', false],
    ]);
    const status = await praxis('migrate', '--status');
    expect([status.code, status.out[3]?.split(/ {2,}/).slice(0, 3)]).toEqual([1, ['shard-2', '-', 'AWAY']]);
    expect(await praxis('migrate')).toMatchObject({ code: 1 });
  }, 60_000);
});
