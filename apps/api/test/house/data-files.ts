import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestDatabases } from '#infra/testing';

/** The tables of a run, and what its servers write beside them: the write-ahead log and their own log. */
const folders = (dataDir: string, databaseOid: string): readonly string[] => [
  join(dataDir, 'base', databaseOid),
  join(dataDir, 'pg_wal'),
];

/**
 * Files of PostgreSQL in which one of these texts stands, in the case given, lower or upper. Everything is on disk
 * before the look: pages by a checkpoint, records of the log by their commits.
 */
export async function filesHolding(db: TestDatabases, texts: readonly string[]): Promise<readonly string[]> {
  const needles = [...new Set(texts.flatMap((text) => [text, text.toLowerCase(), text.toUpperCase()]))].map((text) =>
    Buffer.from(text),
  );
  const files = (await Promise.all(['directory', 'shard-1', 'shard-2'].map((name) => filesOf(db, name)))).flat();
  return [...new Set(files)].filter((file) => {
    const content = contentOf(file);
    return needles.some((needle) => content.includes(needle));
  });
}

/** What has been removed since it was listed holds nothing. */
function contentOf(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return Buffer.alloc(0);
  }
}

async function filesOf(db: TestDatabases, database: string): Promise<readonly string[]> {
  await db.asAdmin(database, 'checkpoint');
  const [row] = await db.asAdmin<{ dir: string; oid: string }>(
    database,
    `select current_setting('data_directory') as dir, oid::text from pg_database where datname = current_database()`,
  );
  if (!row) throw new Error(`${database} has no data folder`);
  const inFolders = folders(row.dir, row.oid).flatMap((folder) =>
    readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(folder, entry.name)),
  );
  return [...inFolders, ...[`${row.dir}.log`].filter((file) => existsSync(file))];
}
