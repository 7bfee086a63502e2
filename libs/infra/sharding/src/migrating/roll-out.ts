import type pg from 'pg';
import { directoryName } from '../databases.js';
import { expectNobodyNeeds } from './builds.js';
import { DatabaseRun, type Outcome } from './database-run.js';
import { fail } from './migration.errors.js';
import type { Phase, Step } from './migration.js';
import type { MigratedDatabase, MigratorOptions } from './options.js';
import type { VersionNotes } from './version-notes.js';

export type { Outcome };

/** Shards that are migrated at the same time once the first one has shown that it works. */
const lanes = 2;

export interface RollOutParts {
  readonly options: MigratorOptions;
  readonly directory: pg.Client;
  readonly notes: VersionNotes;
  readonly steps: { readonly directory: readonly Step[]; readonly shard: readonly Step[] };
}

/** One round over the installation: the directory, one shard, then two by two. The first failure lets nothing new begin. */
export class RollOut {
  readonly #outcomes = new Map<string, Outcome>();
  #stopped = false;

  constructor(private readonly parts: RollOutParts) {}

  async round(phases: ReadonlySet<Phase>): Promise<void> {
    const { options } = this.parts;
    await this.#migrate(options.directory, phases);
    const canary = await canaryOf(this.parts.directory, options);
    if (canary) await this.#migrate(canary, phases);
    await this.#twoByTwo(
      options.shards.filter(({ name }) => name !== canary?.name),
      phases,
    );
  }

  /** Of each database, over all rounds. */
  get outcomes(): ReadonlyMap<string, Outcome> {
    return this.#outcomes;
  }

  async #twoByTwo(shards: readonly MigratedDatabase[], phases: ReadonlySet<Phase>): Promise<void> {
    const waiting = [...shards];
    const lane = async () => {
      for (let next = waiting.shift(); next && !this.#stopped; next = waiting.shift())
        await this.#migrate(next, phases);
    };
    const failures: unknown[] = [];
    await Promise.all(Array.from({ length: lanes }, () => lane().catch((error: unknown) => void failures.push(error))));
    if (failures.length > 0) throw failures[0];
  }

  async #migrate(database: MigratedDatabase, phases: ReadonlySet<Phase>): Promise<void> {
    const { options, notes, steps, directory } = this.parts;
    const parts = {
      database,
      options,
      notes,
      stopped: () => this.#stopped,
      mayRun: (name: string, step: Step) => expectNobodyNeeds(directory, options.clock, name, step),
    };
    const own = database.name === directoryName ? steps.directory : steps.shard;
    try {
      const { ran, waiting } = await DatabaseRun.within(parts, (run) => run.advance(own, phases));
      this.#outcomes.set(database.name, { ran: ran + (this.#outcomes.get(database.name)?.ran ?? 0), waiting });
    } catch (error) {
      this.#stopped = true;
      throw error;
    }
  }
}

/** The shard that was named, or the one with the fewest tenants. */
export async function canaryOf(
  directory: pg.Client,
  { shards, canary }: Pick<MigratorOptions, 'shards' | 'canary'>,
): Promise<MigratedDatabase | undefined> {
  if (canary !== undefined) return shards.find(({ name }) => name === canary);
  const { rows } = await directory.query<{ id: string; tenants: number }>(
    'select shard_id as id, count(*)::int as tenants from tenant group by shard_id',
  );
  const tenants = new Map(rows.map((row) => [row.id, row.tenants]));
  const [fewest] = shards.toSorted((one, other) => (tenants.get(one.name) ?? 0) - (tenants.get(other.name) ?? 0));
  return fewest;
}

/** Throws migration.refused for a canary that is no shard of this installation. */
export function expectCanary({ canary, shards }: MigratorOptions): void {
  if (canary !== undefined && !shards.some(({ name }) => name === canary))
    throw fail('migration.refused', { internal: `there is no ${canary} to begin with` });
}
