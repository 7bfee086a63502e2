import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { ClusterRunsError, LocalCluster } from './local-cluster.js';
import type { PostgresAddress } from './postgres-server.js';
import { isAlive, waitUntil } from './processes.js';
import { testCluster } from './test-cluster.js';

async function ask<T extends object>(address: PostgresAddress, sql: string, database = 'postgres'): Promise<T[]> {
  const { host, port, superuser } = address;
  const client = new Client({ host, port, ...superuser, database });
  await client.connect();
  try {
    return (await client.query<T>(sql)).rows;
  } finally {
    await client.end();
  }
}

function tellRedis(port: number, command: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port }, () => socket.write(`${command}\r\n`));
    socket.once('data', (chunk) => {
      socket.destroy();
      resolve(chunk.toString());
    });
    socket.once('error', reject);
  });
}

const small = { servers: 1, replica: false, redis: false } as const;

describe('the cluster of a test run', () => {
  const { servers, replica, redis } = testCluster();
  const [first, second] = servers as [PostgresAddress, PostgresAddress];

  it('is PostgreSQL 18 with logical replication on and parameters kept out of the log', async () => {
    const names = ['wal_level', 'log_parameter_max_length', 'log_parameter_max_length_on_error', 'password_encryption'];
    for (const server of servers) {
      const rows = await ask<{ name: string; setting: string }>(
        server,
        `select name, setting from pg_settings where name in ('${names.join("','")}', 'server_version_num')`,
      );
      const settings = Object.fromEntries(rows.map((row) => [row.name, row.setting]));
      expect(settings).toMatchObject({
        wal_level: 'logical',
        log_parameter_max_length: '0',
        log_parameter_max_length_on_error: '0',
        password_encryption: 'scram-sha-256',
      });
      expect(Number(settings.server_version_num)).toBeGreaterThanOrEqual(180_000);
    }
  });

  it('holds servers that are strangers to each other, so that one can subscribe to the other', async () => {
    const identity = 'select system_identifier::text as id from pg_control_system()';
    const [one] = await ask<{ id: string }>(first, identity);
    const [two] = await ask<{ id: string }>(second, identity);
    expect(one?.id).not.toBe(two?.id);
  });

  it('lets nobody in without the password', async () => {
    const stranger = { ...first, superuser: { ...first.superuser, password: 'wrong' } };
    await expect(ask(stranger, 'select 1')).rejects.toMatchObject({ code: '28P01' });
  });

  it('streams what the first server commits to a replica that takes no writes', async () => {
    const table = `replicated_${process.pid}`;
    await ask(first, `create table ${table} as select 42 as answer`);
    const arrived = () =>
      ask<{ answer: number }>(replica, `select answer from ${table}`).then(
        ([row]) => row?.answer === 42,
        () => false,
      );
    expect(await waitUntil(arrived, 5_000)).toBe(true);
    await expect(ask(replica, `drop table ${table}`)).rejects.toMatchObject({ code: '25006' });
    await ask(first, `drop table ${table}`);
  });

  it('has a Redis that never evicts, as the queues demand', async () => {
    expect(await tellRedis(redis.port, 'CONFIG GET maxmemory-policy')).toContain('noeviction');
  });
});

describe('a local cluster', () => {
  const home = mkdtempSync(join(tmpdir(), 'praxis-cluster-spec-'));
  const started: LocalCluster[] = [];
  const start = async (note?: (line: string) => void): Promise<LocalCluster> => {
    const cluster = await LocalCluster.start({ ...small, home, durable: true, ...(note ? { note } : {}) });
    started.push(cluster);
    return cluster;
  };
  afterAll(async () => {
    for (const cluster of started) await cluster.stop();
    rmSync(home, { recursive: true, force: true });
  });

  it('keeps its data, its passwords and its ports from one run to the next', async () => {
    const before = await start();
    await before.createDatabase(0, 'kept');
    await before.createDatabase(0, 'kept');
    await before.stop();
    const after = await start();
    expect(after.servers[0]?.port).toBe(before.servers[0]?.port);
    expect(await ask(after.servers[0]!, 'select current_database()', 'kept')).toHaveLength(1);
    expect(statSync(join(home, 'state.json')).mode & 0o077).toBe(0);
    await after.stop();
    expect(isAlive(after.servers[0]!.pid)).toBe(false);
  });

  it('refuses a second run in the same folder and leaves the first one alone', async () => {
    const first = await start();
    await expect(start()).rejects.toThrow(ClusterRunsError);
    expect(await ask(first.servers[0]!, 'select 1')).toHaveLength(1);
    await first.stop();
  });

  it('stops the servers that a killed run left behind, and no others', async () => {
    const killed = await start();
    const stranger = testCluster().servers[0]!;
    writeFileSync(join(home, 'lock'), '999999999 0');
    const notes: string[] = [];
    const next = await start((line) => notes.push(line));
    expect(notes[0]).toContain('earlier run');
    expect(isAlive(killed.servers[0]!.pid)).toBe(false);
    expect(await ask(next.servers[0]!, 'select 1')).toHaveLength(1);
    expect(await ask(stranger, 'select 1')).toHaveLength(1);
    await next.stop();
  });

  it('leaves no file behind when it was temporary', async () => {
    const cluster = await LocalCluster.startTemporary({ ...small, durable: false });
    await cluster.stop();
    expect(existsSync(cluster.home)).toBe(false);
    expect(isAlive(cluster.servers[0]!.pid)).toBe(false);
  });
});
