import { parseConfig } from '#infra/config';
import { systemClock, type TenantContext } from '#infra/kernel';
import { databaseConfig } from '#infra/replicas';
import { openTestDatabases, type TestDatabases, waitUntil } from '#infra/testing';
import { schemaWindows } from '#migrations';
import { Databases, guardSchemas, shardingConfig } from './index.js';

const patienceMs = 15_000;
const later = 9_999_999_999_999;
let db: TestDatabases;
let here: TenantContext;
let there: TenantContext;
const lines: unknown[] = [];

beforeAll(async () => {
  db = await openTestDatabases();
  here = await db.newTenant({ shardId: 'shard-1' });
  there = await db.newTenant({ shardId: 'shard-2' });
  const note = (name: string, fields?: object) => void lines.push({ name, ...fields });
  await guardSchemas(db.databases, schemaWindows, { app: 'spec', log: { warn: note, info: note } });
}, 60_000);
afterAll(() => db?.close());

const ask = (ctx: TenantContext) => db.sharding.read(ctx, (tx) => tx.db.query('select 1'));
const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'answered',
    (error: { code?: string }) => error.code ?? 'an error without a code',
  );
const becomes = (code: string) => waitUntil(async () => (await codeOf(ask(there))) === code, patienceMs);
const ran = (database: string, name: string, phase: string) =>
  db.asAdmin(database, 'insert into migrations ("timestamp", name, phase) values ($1, $2, $3)', [later, name, phase]);
const forget = (database: string) => db.asAdmin(database, 'delete from migrations where "timestamp" = $1', [later]);
const emptied = (database: string) =>
  db.asAdmin(database, 'create table kept as select * from migrations; delete from migrations');
const restored = (database: string) =>
  db.asAdmin(database, 'insert into migrations select * from kept; drop table kept');

describe('a shard whose schema this build does not work with', () => {
  afterEach(async () => {
    expect(await becomes('answered')).toBe(true);
  });

  it.each([
    [
      'contracted by a later build',
      () => ran('shard-2', 'Later', 'contract'),
      () => forget('shard-2'),
      'was contracted by',
    ],
    ['older than it needs', () => emptied('shard-2'), () => restored('shard-2'), 'is at 0'],
  ])(
    'is refused alone where it is %s, and served again when it fits',
    async (_, spoil, mend, why) => {
      lines.length = 0;
      await spoil();
      expect(await becomes('shard.unavailable')).toBe(true);
      await expect(ask(there)).rejects.toMatchObject({
        kind: 'unavailable',
        options: { retryAfterMs: 5_000, internal: expect.stringContaining(`shard-2 ${why}`) },
        cause: { code: 'database.schema_outdated' },
      });
      for (const refused of [
        db.sharding.write(there, (tx) => tx.db.execute('select 1')),
        db.sharding.bulk(there, (tx) => tx.db.execute('select 1')),
        db.sharding.ping('shard-2'),
      ])
        expect(await codeOf(refused)).toBe('shard.unavailable');
      expect(await codeOf(ask(here))).toBe('answered');
      const each = await db.sharding.eachShard(db.newContext(), async ({ database }) => database);
      expect(each.map(({ database, value, error }) => [database, value, (error as { code?: string })?.code])).toEqual([
        ['shard-1', 'shard-1', undefined],
        ['shard-2', undefined, 'shard.unavailable'],
      ]);
      for (let n = 0; n < 4; n += 1) {
        const { tenant } = await db.newTenant();
        expect(await db.sharding.tenants.byId(tenant.id)).toMatchObject({ shardId: 'shard-1' });
      }
      await mend();
      expect(await becomes('answered')).toBe(true);
      expect(lines).toEqual([
        { name: 'database.schema', database: 'shard-2', state: 'unfit', reason: expect.stringContaining(why) },
        { name: 'database.schema', database: 'shard-2', state: 'fits', reason: undefined },
      ]);
    },
    40_000,
  );
});

describe('a process that begins', () => {
  it('serves databases that a later build has only added to', async () => {
    await Promise.all(['directory', 'shard-1', 'shard-2'].map((name) => ran(name, 'Later', 'expand')));
    await guardSchemas(db.databases, schemaWindows);
    expect([await codeOf(ask(here)), await codeOf(ask(there))]).toEqual(['answered', 'answered']);
    await Promise.all(['directory', 'shard-1', 'shard-2'].map(forget));
  });

  it('begins not where no shard fits, and names each and what to do', async () => {
    await Promise.all(['shard-1', 'shard-2'].map(emptied));
    const refused = guardSchemas(db.databases, schemaWindows);
    await expect(refused).rejects.toMatchObject({
      code: 'database.schema_outdated',
      message: expect.stringMatching(/shard-1 is at 0.*run `praxis migrate`; shard-2 is at 0.*run `praxis migrate`/),
    });
    await Promise.all(['shard-1', 'shard-2'].map(restored));
    expect(await becomes('answered')).toBe(true);
  }, 30_000);

  it('begins not where the directory does not fit', async () => {
    await ran('directory', 'Later', 'contract');
    await expect(guardSchemas(db.databases, schemaWindows)).rejects.toMatchObject({
      code: 'database.schema_outdated',
      message: expect.stringMatching(/^directory was contracted by 9999999999999/),
    });
    await forget('directory');
  });

  it('is in the directory with what it knows, until it ends', async () => {
    const running = () =>
      db.asAdmin(
        'directory',
        `select app, directory_max::float8 as directory, shard_max::float8 as shard from running_build where app <> 'spec'`,
      );
    const config = parseConfig({ sharding: shardingConfig, database: databaseConfig }, db.env);
    const onIdleError = () => undefined;
    const databases = new Databases({ ...config, applicationName: 'other', clock: systemClock, onIdleError });
    await guardSchemas(databases, schemaWindows, { app: 'other' });
    expect(await running()).toEqual([
      { app: 'other', directory: schemaWindows.directory.max, shard: schemaWindows.shard.max },
    ]);
    await databases.end();
    expect(await running()).toEqual([]);
  });
});
