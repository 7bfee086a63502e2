import { type Databases, directoryName } from './databases.js';
import { fail } from './sharding.errors.js';
import { transact } from './transaction.js';

/** Versions are the 13 digits that end a migration's name; both ends are included. */
export interface SchemaWindow {
  readonly min: number;
  readonly max: number;
}

/**
 * Throws database.schema_outdated, naming the database, when one of them is older than this build needs or newer than
 * it knows. Every app calls it before it listens.
 */
export async function assertSchemaVersions(
  databases: Databases,
  windows: { readonly directory: SchemaWindow; readonly shard: SchemaWindow },
): Promise<void> {
  const names = [directoryName, ...databases.shardIds];
  await Promise.all(
    names.map(async (name) => {
      const { min, max } = name === directoryName ? windows.directory : windows.shard;
      const version = await schemaVersion(databases, name);
      if (version < min || version > max)
        throw fail('database.schema_outdated', {
          internal: `${name} is at ${version}, this build works with ${min}…${max}: run \`praxis migrate\` or deploy the build that fits`,
        });
    }),
  );
}

/** No table of migrations yet, or one without the grants that the foundation ends with. */
const foundationMissing: ReadonlySet<unknown> = new Set(['42P01', '42501']);

async function schemaVersion(databases: Databases, name: string): Promise<number> {
  const { primary } = name === directoryName ? databases.directory : databases.shard(name);
  try {
    const { value } = await transact(primary, 'read', null, (db) =>
      db.query<{ version: string | null }>('select max("timestamp") as version from migrations'),
    );
    return Number(value[0]?.version ?? 0);
  } catch (error) {
    if (foundationMissing.has((error as { code?: unknown }).code)) return 0;
    throw error;
  }
}
