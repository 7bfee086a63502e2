import { directoryMigrations, shardMigrations } from './index.js';

/** What has landed before these laws stays as it is. */
const lawsFrom = 1_795_219_200_012;

interface Found {
  readonly migration: string;
  readonly statement: string;
}
type AnyMigration = new () => object;

const versionOf = ({ name }: AnyMigration): number => Number(name.slice(-13));

/** The SQL of a migration that runs in one transaction, while nobody listens. */
async function statementsOf(migration: AnyMigration): Promise<string> {
  const texts: string[] = [];
  const runner = { query: async (sql: string) => void texts.push(sql) };
  const made = new migration() as { up?: (to: typeof runner) => Promise<unknown>; phase?: string };
  if (made.up === undefined || made.phase === 'contract') return '';
  await made.up(runner);
  return texts.join(';\n').toLowerCase();
}

const takesAway =
  /\b(drop (column|table|function|view)|rename (column|to)|alter column \w+ (set data )?type|set not null)\b/g;
const plainIndex = /create (?:unique )?index (?!concurrently)(?:if not exists )?(\w+)\s+on (?:only )?(\w+)/g;

async function broken(migrations: readonly AnyMigration[]): Promise<readonly Found[]> {
  const found: Found[] = [];
  for (const migration of migrations) {
    const sql = await statementsOf(migration);
    const own = new Set([...sql.matchAll(/create table (?:if not exists )?(\w+)/g)].map(([, table]) => table));
    const stopping = [...sql.matchAll(plainIndex)].filter(([, , table]) => !own.has(table)).map(([text]) => text);
    const taking = [...sql.matchAll(takesAway)].map(([text]) => text);
    for (const statement of [...stopping, ...taking]) found.push({ migration: migration.name, statement });
  }
  return found;
}

const planted = (...statements: readonly string[]) =>
  class Planted2000000000001 {
    async up(runner: { query: (sql: string) => Promise<unknown> }): Promise<void> {
      for (const statement of statements) await runner.query(statement);
    }
  };

describe('migrations that only add', () => {
  it('take nothing away, and build no index on a table in use while its writers wait', async () => {
    for (const list of [directoryMigrations, shardMigrations] as readonly (readonly AnyMigration[])[])
      expect(await broken(list.filter((migration) => versionOf(migration) >= lawsFrom))).toEqual([]);
  });

  it('are caught where they do, planted one by one', async () => {
    const bad = [
      'create index thing_age on thing (age)',
      'CREATE UNIQUE INDEX thing_once ON thing (id)',
      'alter table thing drop column age',
      'alter table thing rename column age to years',
      'alter table thing alter column age type bigint',
      'alter table thing alter column age set not null',
      'drop table thing',
    ];
    for (const statement of bad) expect(await broken([planted(statement)])).toHaveLength(1);
    const good = [
      ['create table thing (id uuid)', 'create index thing_id on thing (id)'],
      ['alter table thing add column age int', 'alter table thing add check (age > 0) not valid'],
    ];
    for (const statements of good) expect(await broken([planted(...statements)])).toEqual([]);
  });
});
