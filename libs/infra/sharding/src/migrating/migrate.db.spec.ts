import type { QueryRunner } from 'typeorm';
import { Secret } from '#infra/config';
import { FixedClock, systemClock } from '#infra/kernel';
import { directoryMigrations, shardMigrations } from '#migrations';
import { type Installation, MigrationGround, migration } from '../../test/migrating.js';
import { migrationLockKey } from './lock.js';
import { migrate, registerShards } from './migrate.js';
import { migrationStatus } from './status.js';

let ground: MigrationGround;
beforeAll(async () => {
  ground = await MigrationGround.start();
}, 60_000);
afterAll(() => ground?.stop());

const things = migration(
  'Things2000000000001',
  'create table thing (tenant_id uuid, id uuid, primary key (tenant_id, id))',
);
const tables = async (installation: Installation, shard: string) =>
  (
    await installation.query<{ name: string }>(
      shard,
      `select relname as name from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace and relname <> 'migrations' order by 1`,
    )
  ).map(({ name }) => name);

describe('migrating with the product’s own migrations', () => {
  const admin = { user: 'hosted_admin', password: new Secret('hosted-admin-pässwörd') };
  let installation: Installation;

  it('works for an admin who is no superuser, twice at once, also into a database that somebody made before', async () => {
    installation = ground.installation(2);
    await ground.server.asSuperuser(async (client) => {
      await client.query(
        `create role ${admin.user} login createrole createdb bypassrls password '${admin.password.reveal()}'`,
      );
      await client.query(`create database ${installation.nameOf('shard-1')} owner ${admin.user}`);
    });
    const plan = installation.plan(shardMigrations, { admin });
    await Promise.all([1, 2].map(() => migrate(plan)));
    const { lines } = installation;
    expect(lines.filter((line) => line.endsWith('up to date'))).toHaveLength(3);
    expect(lines.filter((line) => / Foundation1795219200001 done \(expand, \d+ ms\)$/.test(line))).toHaveLength(3);
    expect(lines.filter((line) => / done /.test(line))).toHaveLength(
      directoryMigrations.length + 2 * shardMigrations.length,
    );
    expect(await installation.query('directory', 'select id from shard order by id')).toEqual([
      { id: 'shard-1' },
      { id: 'shard-2' },
    ]);
    expect(new Set((await installation.noted()).map(({ state, attempts }) => `${state} ${attempts}`))).toEqual(
      new Set(['done 1']),
    );
  }, 60_000);

  it('leaves the database to its four roles alone, and no password in readable form', async () => {
    const roles = await ground.server.asSuperuser(async (client) => {
      await client.query(`create role stranger login password 'stranger'`);
      return (await client.query(`select rolname, rolpassword from pg_authid where rolname like 'praxis%' order by 1`))
        .rows;
    });
    expect(roles.map(({ rolname, rolpassword }) => [rolname, String(rolpassword).slice(0, 13)])).toEqual([
      ['praxis_app', 'SCRAM-SHA-256'],
      ['praxis_owner', 'null'],
      ['praxis_relay', 'SCRAM-SHA-256'],
      ['praxis_ro', 'SCRAM-SHA-256'],
    ]);
    const { default: pg } = await import('pg');
    const stranger = new pg.Client(ground.urlOf(installation.nameOf('shard-2'), 'stranger', 'stranger'));
    await expect(stranger.connect()).rejects.toMatchObject({ code: '42501' });
    const app = new pg.Client(ground.urlOf(installation.nameOf('shard-2')));
    await app.connect();
    expect((await app.query('select current_user as user')).rows).toEqual([{ user: 'praxis_app' }]);
    await app.end();
  });

  it('registers shards once, also by itself, and not before the directory has a schema', async () => {
    const plan = installation.plan(shardMigrations, { admin });
    expect(await registerShards(plan)).toEqual([]);
    await installation.query('directory', `delete from shard where id = 'shard-2'`);
    expect(await registerShards(plan)).toEqual(['shard-2']);
    expect(await registerShards(plan)).toEqual([]);
    const { query } = await ground.session('postgres').then((client) => ({ query: client }));
    await query.query('create database empty_directory');
    await query.end();
    const empty = { name: 'directory', url: new Secret(ground.urlOf('empty_directory')) };
    const { user, password } = ground.server.superuser;
    const early = registerShards({ ...plan, admin: { user, password: new Secret(password) }, directory: empty });
    await expect(early).rejects.toMatchObject({ code: 'migration.refused' });
  });
});

describe('a failing migration', () => {
  let broken = true;
  const second = class Second2000000000002 {
    up = (runner: QueryRunner) => runner.query(broken ? 'create table thing (a int)' : 'select 1');
  };
  const third = migration('Third2000000000003', 'create table third_thing (a int)');

  it('stops everything on the shard that goes first, the one with the fewest tenants, and is named there', async () => {
    const installation = ground.installation(3);
    await migrate(installation.plan([things]));
    await installation.query(
      'directory',
      `insert into tenant (id, slug, name, plan, shard_id, created_at)
       select gen_random_uuid(), 'tenant-' || n, 'T', 'FREE', 'shard-' || (array[1, 3, 3, 2, 1])[n], now() from generate_series(1, 5) n`,
    );
    const plan = installation.plan([things, second, third]);
    await expect(migrate(plan)).rejects.toThrow('already exists');
    expect((await installation.noted()).filter(({ migration: name }) => name !== 'Things2000000000001')).toEqual([
      expect.objectContaining({
        database: 'shard-2',
        migration: 'Second2000000000002',
        state: 'failed',
        attempts: 1,
        error: expect.stringContaining('already exists'),
      }),
    ]);
    expect(await tables(installation, 'shard-1')).toEqual(['thing']);
    const { databases, canary } = await migrationStatus(plan);
    expect(canary).toBe('shard-2');
    expect(databases.map(({ name, pending, step }) => [name, pending.length, step?.state])).toEqual([
      ['directory', 0, 'done'],
      ['shard-1', 2, 'done'],
      ['shard-2', 2, 'failed'],
      ['shard-3', 2, 'done'],
    ]);
    broken = false;
    await migrate(plan);
    const attempts = (await installation.noted()).map(
      ({ database, state, attempts: n }) => `${database} ${state} ${n}`,
    );
    expect(new Set(attempts)).toEqual(
      new Set(['shard-1 done 1', 'shard-2 done 1', 'shard-2 done 2', 'shard-3 done 1']),
    );
    expect((await installation.noted()).every(({ error }) => error === null)).toBe(true);
  }, 30_000);

  it('on a later shard lets nothing new begin on the others', async () => {
    const installation = ground.installation(4);
    await migrate(installation.plan([things]));
    const { lines } = installation;
    const failedSeen = async () => {
      for (let n = 0; n < 500 && !lines.some((line) => line.includes('FAILED')); n += 1)
        await new Promise((resolve) => setTimeout(resolve, 20));
    };
    let open = (): void => undefined;
    const begunOnThird = new Promise<void>((resolve) => {
      open = resolve;
    });
    const uneven = class Uneven2000000000002 {
      async up(runner: QueryRunner): Promise<void> {
        const [{ name }] = await runner.query('select current_database() as name');
        if (name === installation.nameOf('shard-3')) {
          open();
          await failedSeen();
        }
        if (name !== installation.nameOf('shard-1')) return;
        // What has begun elsewhere is ended; so it has to have begun.
        await begunOnThird;
        await runner.query('select 1 / 0');
      }
    };
    const plan = installation.plan([things, uneven, third], { canary: 'shard-2' });
    await expect(migrate(plan)).rejects.toThrow('division by zero');
    expect((await installation.states()).filter((line) => !line.includes('Things'))).toEqual([
      'shard-1 Uneven failed',
      'shard-2 Uneven done',
      'shard-2 Third done',
      'shard-3 Uneven done',
    ]);
    expect(await tables(installation, 'shard-4')).toEqual(['thing']);
    const unknown = migrate(installation.plan([things], { canary: 'shard-9' }));
    await expect(unknown).rejects.toMatchObject({ code: 'migration.refused' });
  }, 30_000);
});

describe('the phases of a change', () => {
  const added = migration('Added2000000000002', 'alter table thing add column colour text');
  const filled = class Filled2000000000003 {
    backfill = {
      table: 'thing',
      statement: `update thing t set colour = 'grey' from page p
                   where (t.tenant_id, t.id) = (p.tenant_id, p.id) and t.colour is null`,
    };
  };
  const dropped = migration('Dropped2000000000004', 'alter table thing drop column colour', 'contract');
  const all = [things, added, filled, dropped];

  it('come everywhere before the next one begins anywhere; what removes comes only when it is asked for', async () => {
    const installation = ground.installation(2);
    await migrate(installation.plan([things]));
    installation.lines.length = 0;
    await migrate(installation.plan(all));
    const ran = () =>
      installation.lines.flatMap((line) => /^(\S+): ([A-Z]\w+?)\d{13} done/.exec(line)?.slice(1, 3).join(' ') ?? []);
    expect(ran()).toEqual(['shard-1 Added', 'shard-2 Added', 'shard-1 Filled', 'shard-2 Filled']);
    expect(installation.lines).toContain('shard-2: ran 2; only with --contract: Dropped2000000000004');
    const left = (await migrationStatus(installation.plan(all))).databases.map(({ pending }) => pending);
    expect(left.slice(1)).toEqual(Array(2).fill([{ name: 'Dropped2000000000004', phase: 'contract' }]));
  }, 30_000);

  it('take nothing from a build that runs: only when each process knows it, or has been gone for two minutes', async () => {
    const installation = ground.installation(1);
    await migrate(installation.plan([things]));
    await migrate(installation.plan(all));
    const clock = new FixedClock(systemClock.now());
    const columns = async () =>
      (
        await installation.query<{ name: string }>(
          'shard-1',
          `select attname as name from pg_attribute where attrelid = 'thing'::regclass and attnum > 0 and not attisdropped`,
        )
      ).length;
    await installation.query(
      'directory',
      `insert into running_build (id, app, directory_max, shard_max, seen_at)
       values (gen_random_uuid(), 'api', 9999999999999, 2000000000003, now()), (gen_random_uuid(), 'worker', 9999999999999, 2000000000004, now())`,
    );
    const contracting = installation.plan(all, { contract: true, clock });
    const refused = await migrate(contracting).catch((error: unknown) => error);
    expect(refused).toMatchObject({
      code: 'migration.still_needed',
      message: expect.stringContaining('1 × api (knows 2000000000003)'),
    });
    expect(String((refused as Error).message)).not.toContain('worker');
    expect(await columns()).toBe(3);
    expect(await installation.states()).not.toContain('shard-1 Dropped failed');
    clock.advance(125_000);
    await migrate(contracting);
    expect(await columns()).toBe(2);
    const rows = await installation.query('shard-1', `select phase from migrations where name like 'Dropped%'`);
    expect(rows).toEqual([{ phase: 'contract' }]);
  }, 30_000);

  it('run in the order of their numbers where nothing has run yet, and on a shard that is added later', async () => {
    const installation = ground.installation(1);
    const again = migration('Again2000000000005', 'alter table thing add column colour int');
    const inOrder = (shard: string) =>
      ['Things', 'Added', 'Filled', 'Dropped', 'Again'].map((each) => `${shard} ${each} done`);
    await migrate(installation.plan([...all, again]));
    expect(await installation.states()).toEqual(inOrder('shard-1'));
    installation.shards = 2;
    await migrate(installation.plan([...all, again]));
    expect(await installation.states()).toEqual([...inOrder('shard-1'), ...inOrder('shard-2')]);
  }, 30_000);
});

describe('another migrator or a mover at work', () => {
  it('is waited for, by name and for so long, and then refused', async () => {
    const installation = ground.installation(1);
    const mover = await ground.session('postgres', 'praxis:mover');
    await mover.query('select pg_advisory_lock_shared($1)', [migrationLockKey]);
    const slept: number[] = [];
    const pacing = { sleep: async (ms: number) => void slept.push(ms) };
    const plan = installation.plan([things], { lockWaitMs: 3_000, pacing });
    await expect(migrate(plan)).rejects.toMatchObject({
      code: 'migration.under_way',
      message: expect.stringMatching(/^praxis:mover \(server process \d+\) is at work, still after 3 s$/),
    });
    expect(slept).toEqual([1_000, 1_000, 1_000]);
    expect(installation.lines).toEqual([expect.stringMatching(/^waiting for praxis:mover .* for 3 s at most$/)]);
    const patient = { sleep: async () => void (await mover.query('select pg_advisory_unlock_all()')) };
    await migrate({ ...plan, pacing: patient });
    expect(await installation.states()).toEqual(['shard-1 Things done']);
    await mover.end();
  }, 30_000);
});
