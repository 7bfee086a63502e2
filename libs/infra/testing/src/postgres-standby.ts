import { copyFileSync, existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Client } from 'pg';
import { chownTree, serverAccount } from './places.js';
import { type PostgresPlan, PostgresServer, stopStale, writeOwned } from './postgres-server.js';

type StandbyPlan = Omit<PostgresPlan, 'superuser'>;

const slot = 'praxis_standby';
/** Folders whose content belongs to one running server only. */
const emptied = [
  'pg_wal',
  'pg_replslot',
  'pg_dynshmem',
  'pg_notify',
  'pg_serial',
  'pg_snapshots',
  'pg_stat_tmp',
  'pg_subtrans',
];
const leftOut = ['postmaster.pid', 'postmaster.opts', 'pg_internal.init', 'backup_label', 'standby.signal'];

/** A streaming replica of a running server. An earlier copy is used again while the primary still holds its WAL. */
export async function startStandby(primary: PostgresServer, plan: StandbyPlan): Promise<PostgresServer> {
  await stopStale(plan.dataDir);
  if (!existsSync(join(plan.dataDir, 'standby.signal')) || !(await slotIsUsable(primary))) {
    rmSync(plan.dataDir, { recursive: true, force: true });
    await primary.asSuperuser((client) => copyFrom(primary, plan.dataDir, client));
  }
  writeOwned(join(plan.dataDir, 'postgresql.auto.conf'), connectionTo(primary));
  return PostgresServer.start({ ...plan, superuser: primary.superuser });
}

async function slotIsUsable(primary: PostgresServer): Promise<boolean> {
  const { rows } = await primary.asSuperuser((client) =>
    client.query(`select 1 from pg_replication_slots where slot_name = $1 and wal_status <> 'lost'`, [slot]),
  );
  return rows.length === 1;
}

async function copyFrom(primary: PostgresServer, dataDir: string, client: Client): Promise<void> {
  await client.query(`select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = $1`, [
    slot,
  ]);
  await client.query(`select pg_create_physical_replication_slot($1, true)`, [slot]);
  await client.query(`select pg_backup_start('praxis standby', true)`);
  copyDataDir(primary.dataDir, dataDir);
  chownTree(dataDir, serverAccount());
  const { rows } = await client.query<{ labelfile: string }>('select labelfile from pg_backup_stop(false)');
  writeOwned(join(dataDir, 'backup_label'), rows[0]?.labelfile ?? '');
  writeOwned(join(dataDir, 'standby.signal'), '');
}

function copyDataDir(from: string, to: string): void {
  mkdirSync(to, { mode: 0o700 });
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    if (leftOut.includes(entry.name)) continue;
    const target = join(to, entry.name);
    if (!entry.isDirectory()) copyIfThere(join(from, entry.name), target);
    else if (emptied.includes(entry.name)) mkdirSync(target, { mode: 0o700 });
    else copyDataDir(join(from, entry.name), target);
  }
}

/** The primary works on: what it deletes during the copy is missing, and its WAL says so to the standby. */
function copyIfThere(from: string, to: string): void {
  try {
    copyFileSync(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}

function connectionTo(primary: PostgresServer): string {
  const { host, port, superuser } = primary;
  const target = `host=${host} port=${port} user=${superuser.user} password=${superuser.password}`;
  return `primary_conninfo = '${target} application_name=${slot}'\nprimary_slot_name = '${slot}'\n`;
}
