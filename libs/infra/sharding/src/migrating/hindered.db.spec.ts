import type { QueryRunner } from 'typeorm';
import { waitUntil } from '#infra/testing';
import { type Installation, MigrationGround, migration } from '../../test/migrating.js';
import { applicationName } from './admin.js';
import { migrate } from './migrate.js';

const rowsMade = 2_600;
let ground: MigrationGround;
let installation: Installation;
beforeAll(async () => {
  ground = await MigrationGround.start({ replica: true });
}, 60_000);
beforeEach(async () => {
  installation = ground.installation(1);
  await migrate(installation.plan([things]));
  await installation.query(
    'shard-1',
    `insert into thing (tenant_id, id) select gen_random_uuid(), gen_random_uuid() from generate_series(1, ${rowsMade})`,
  );
  installation.lines.length = 0;
}, 30_000);
afterAll(() => ground?.stop());

const things = migration(
  'Things2000000000001',
  'create table thing (tenant_id uuid, id uuid, colour text, touched int not null default 0, primary key (tenant_id, id))',
);

/** As the end of its process would. */
const killMigrator = async () => {
  const client = await ground.session('postgres');
  await client.query('select pg_terminate_backend(pid) from pg_stat_activity where application_name = $1', [
    applicationName,
  ]);
  await client.end();
};
const behind = `select pg_wal_lsn_diff(pg_current_wal_flush_lsn(), replay_lsn)::float8 as bytes from pg_stat_replication`;
const noted = async (name: string) => (await installation.noted()).find((row) => row.migration.startsWith(name));

describe('a lock that somebody else holds', () => {
  it('is waited for a second at a time, on every attempt, and taken when it is free', async () => {
    const timeouts: string[] = [];
    const strong = class Strong2000000000002 {
      async up(runner: QueryRunner): Promise<void> {
        const [row] = await runner.query(`select current_setting('lock_timeout') as it`);
        timeouts.push(row.it);
        await runner.query('alter table thing add column size int');
      }
    };
    const reader = await installation.session('shard-1', 'a long report');
    await reader.query('begin');
    await reader.query('select count(*) from thing');
    const slept: number[] = [];
    const sleep = async (ms: number) => {
      slept.push(ms);
      expect(await noted('Strong')).toMatchObject({
        state: 'running',
        error: expect.stringContaining('a long report'),
      });
      if (slept.length === 3) await reader.query('rollback');
    };
    await migrate(installation.plan([things, strong], { pacing: { sleep, random: () => 0 } }));
    expect(slept).toEqual([500, 1_000, 2_000]);
    expect(timeouts).toEqual(['1s', '1s', '1s', '1s']);
    expect(
      installation.lines.filter((line) => /attempt \d found no lock.*a long report.*again in/.test(line)),
    ).toHaveLength(3);
    expect(await noted('Strong')).toMatchObject({ state: 'done', attempts: 4, error: null });
    await reader.end();
  }, 30_000);
});

describe('a backfill', () => {
  const filled = class Filled2000000000002 {
    backfill = {
      table: 'thing',
      batch: 500,
      statement: `update thing t set colour = 'grey', touched = t.touched + 1 from page p
                   where (t.tenant_id, t.id) = (p.tenant_id, p.id) and t.colour is null`,
    };
  };
  const colours = () =>
    installation.query('shard-1', 'select colour, touched, count(*)::int as rows from thing group by 1, 2 order by 1');

  it('rests after each page, shows how far it is, and goes on there after its migrator was killed', async () => {
    const rests: number[] = [];
    const seen: unknown[] = [];
    const sleep = async (ms: number) => {
      rests.push(ms);
      seen.push((await noted('Filled'))?.rows);
      if (rests.length === 3) await killMigrator();
    };
    await expect(migrate(installation.plan([things, filled], { pacing: { sleep } }))).rejects.toThrow();
    expect(seen).toEqual([500, 1_000, 1_500]);
    expect(rests.every((ms) => ms >= 20 && ms <= 5_000)).toBe(true);
    expect(await colours()).toEqual([
      { colour: 'grey', touched: 1, rows: 1_500 },
      { colour: null, touched: 0, rows: 1_100 },
    ]);
    await migrate(installation.plan([things, filled]));
    expect(installation.lines).toContain('shard-1: Filled2000000000002 goes on after 1500 rows');
    expect(await colours()).toEqual([{ colour: 'grey', touched: 1, rows: rowsMade }]);
    expect(await noted('Filled')).toMatchObject({ state: 'done', attempts: 2, rows: rowsMade, error: null });
  }, 30_000);

  it('waits for a row that somebody else has locked', async () => {
    const writer = await installation.session('shard-1');
    await writer.query('begin');
    await writer.query(
      `update thing set touched = 7 where (tenant_id, id) in (select tenant_id, id from thing order by 1, 2 offset 700 limit 1)`,
    );
    let waits = 0;
    const sleep = async () => {
      if (!(await noted('Filled'))?.error) return;
      waits += 1;
      await writer.query('commit');
    };
    await migrate(installation.plan([things, filled], { pacing: { sleep } }));
    expect(waits).toBeGreaterThan(0);
    expect(await installation.query('shard-1', `select count(*)::int as n from thing where colour = 'grey'`)).toEqual([
      { n: rowsMade },
    ]);
    await writer.end();
  }, 30_000);

  it('waits for a replica that has fallen behind by more than what takes reads from it', async () => {
    await ground.onReplica('select pg_wal_replay_pause()');
    await installation.query(
      'shard-1',
      `create table bulk as select repeat(md5(n::text), 40) as filler from generate_series(1, 12000) n`,
    );
    const waits: number[] = [];
    const sleep = async (ms: number) => {
      if (ms !== 1_000) return;
      waits.push((await noted('Filled'))?.rows ?? -1);
      if (waits.length === 3) {
        await ground.onReplica('select pg_wal_replay_resume()');
        const caughtUp = async () =>
          (await installation.query('directory', behind)).every((row) => (row as { bytes: number }).bytes < 1_000_000);
        expect(await waitUntil(caughtUp, 20_000)).toBe(true);
      }
    };
    await migrate(installation.plan([things, filled], { pacing: { sleep } }));
    expect(waits).toEqual([0, 0, 0]);
    expect(installation.lines).toContainEqual(expect.stringMatching(/Filled2000000000002 waits: .* KiB behind$/));
    expect(await colours()).toEqual([{ colour: 'grey', touched: 1, rows: rowsMade }]);
  }, 60_000);

  it('of more than 10,000 rows a page is refused before anything runs', async () => {
    const greedy = class Greedy2000000000002 {
      backfill = { ...new filled().backfill, batch: 10_001 };
    };
    await expect(migrate(installation.plan([things, greedy]))).rejects.toMatchObject({ code: 'migration.refused' });
    expect(await noted('Greedy')).toBeUndefined();
  });
});

describe('an index of a table in use', () => {
  const indexed = class Indexed2000000000002 {
    indexes = [
      { name: 'thing_by_colour', table: 'thing', definition: '(tenant_id, colour)' },
      { name: 'thing_once', table: 'thing', unique: true, definition: '(tenant_id, id, touched) where touched > 0' },
    ];
  };
  const standing = () =>
    installation.query<{ name: string; valid: boolean; file: string }>(
      'shard-1',
      `select c.relname as name, i.indisvalid as valid, c.relfilenode::text as file from pg_index i join pg_class c on c.oid = i.indexrelid
        where i.indrelid = 'thing'::regclass and not i.indisprimary order by 1`,
    );

  it('is built beside its writers; what a killed run left is removed and built again; again, it changes nothing', async () => {
    const writer = await installation.session('shard-1');
    await writer.query('begin');
    await writer.query('update thing set touched = 1');
    const killed = migrate(installation.plan([things, indexed])).catch((error: unknown) => error);
    expect(await waitUntil(async () => (await standing()).length === 1, 20_000)).toBe(true);
    // Beside a writer that has not ended, others write.
    await installation.query(
      'shard-1',
      'insert into thing (tenant_id, id) values (gen_random_uuid(), gen_random_uuid())',
    );
    await killMigrator();
    expect(await killed).toBeInstanceOf(Error);
    expect(await standing()).toEqual([expect.objectContaining({ name: 'thing_by_colour', valid: false })]);
    await writer.query('commit');
    await writer.end();
    await migrate(installation.plan([things, indexed]));
    expect(installation.lines).toContain('shard-1: Indexed2000000000002 removes what is left of thing_by_colour');
    const built = await standing();
    expect(built.map(({ name, valid }) => [name, valid])).toEqual([
      ['thing_by_colour', true],
      ['thing_once', true],
    ]);
    await installation.query('shard-1', `delete from migrations where name like 'Indexed%'`);
    await migrate(installation.plan([things, indexed]));
    expect(await standing()).toEqual(built);
  }, 60_000);

  it('is not taken for done because its name belongs to something else', async () => {
    await installation.query('shard-1', 'create table thing_once (a int)');
    await expect(migrate(installation.plan([things, indexed]))).rejects.toMatchObject({ code: 'migration.refused' });
    expect(await noted('Indexed')).toMatchObject({ state: 'failed', error: expect.stringContaining('thing_once') });
  }, 30_000);
});
