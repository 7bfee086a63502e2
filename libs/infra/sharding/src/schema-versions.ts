import { type Clock, systemClock } from '#infra/kernel';
import type { NodePool } from '#infra/replicas';
import type { Log } from '#infra/telemetry';
import { type Databases, directoryName } from './databases.js';
import { BuildBeat } from './running-builds.js';
import type { SchemaWindow, SchemaWindows } from './schema-window.js';
import { fail } from './sharding.errors.js';
import { transact } from './transaction.js';

export interface GuardOptions {
  /** Tells the directory that a process of this app runs; absent for verbs that end soon. */
  readonly app?: string;
  readonly log?: Pick<Log, 'warn' | 'info'>;
  readonly clock?: Clock;
}

/** A shard that is not served is asked this often, one that is served every fifth time. */
const lookMs = 1_000;
const servedEvery = 5;

/**
 * Every app calls it before it listens. From then on the process serves the shards whose schema this build works with, and
 * no other: one that is away, older than it needs or contracted by a later build is refused with shard.unavailable, is
 * asked again every second and served when it fits.
 *
 * Throws database.schema_outdated, naming the database, when the directory does not fit or no shard does, and
 * database.unreachable when the directory does not answer.
 */
export async function guardSchemas(
  databases: Databases,
  windows: SchemaWindows,
  { app, log, clock = systemClock }: GuardOptions = {},
): Promise<void> {
  const beat = app === undefined ? undefined : new BuildBeat(databases, app, windows, clock);
  const guard = new SchemaGuard(databases, windows, log);
  databases.beforeEnd(async () => {
    await guard.stop();
    await beat?.stop();
  });
  // Told before it looks: a contract that does not see this process yet is seen by it.
  await beat?.start();
  await guard.begin();
}

type Standing = 'fits' | 'away' | 'unfit';

class SchemaGuard {
  readonly #standings = new Map<string, Standing>();
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> | undefined;
  #turn = 0;

  constructor(
    private readonly databases: Databases,
    private readonly windows: SchemaWindows,
    private readonly log?: GuardOptions['log'],
  ) {}

  async begin(): Promise<void> {
    const misfit = misfitOf(directoryName, await this.#versionsOf(directoryName), this.windows.directory);
    if (misfit !== null) throw fail('database.schema_outdated', { internal: misfit });
    await Promise.all(this.databases.shardIds.map((id) => this.#look(id)));
    const of = (standing: Standing) => this.databases.shardIds.filter((id) => this.#standings.get(id) === standing);
    if (of('unfit').length > 0 && of('fits').length === 0)
      throw fail('database.schema_outdated', {
        internal: of('unfit')
          .map((id) => this.databases.refusalOf(id))
          .join('; '),
      });
    this.#timer = setInterval(() => {
      this.#looking ??= this.#lookAround().finally(() => {
        this.#looking = undefined;
      });
    }, lookMs);
    this.#timer.unref();
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#looking;
  }

  async #lookAround(): Promise<void> {
    this.#turn += 1;
    const due = [directoryName, ...this.databases.shardIds].filter(
      (name) => this.databases.refusalOf(name) !== undefined || this.#turn % servedEvery === 0,
    );
    await Promise.all(due.map((name) => this.#look(name)));
  }

  /** Whoever is served and does not answer now is as it was: breakers see to it. */
  async #look(name: string): Promise<void> {
    const window = name === directoryName ? this.windows.directory : this.windows.shard;
    let misfit: string | null;
    try {
      misfit = misfitOf(name, await this.#versionsOf(name), window);
    } catch (error) {
      if (this.#standings.has(name) || name === directoryName) return;
      this.databases.refuse(name, `${name} has not answered since this process began`, error);
      this.#enter(name, 'away');
      return;
    }
    if (misfit === null) this.databases.serve(name);
    else this.databases.refuse(name, misfit, fail('database.schema_outdated', { internal: misfit }));
    this.#enter(name, misfit === null ? 'fits' : 'unfit');
  }

  #enter(name: string, standing: Standing): void {
    const before = this.#standings.get(name) ?? 'fits';
    this.#standings.set(name, standing);
    if (standing === before) return;
    const fields = { database: name, state: standing, reason: this.databases.refusalOf(name) };
    if (standing === 'fits') this.log?.info('database.schema', fields);
    else this.log?.warn('database.schema', fields);
  }

  #versionsOf(name: string): Promise<Versions> {
    return versionsOf(this.databases.setOf(name).primary);
  }
}

/** What a database can do (its newest addition) and what it cannot do any more (its newest contract). */
interface Versions {
  readonly version: number;
  readonly contracted: number;
}

/** Additions that a build does not know do not disturb it; what a contract that it does not know took away does. */
function misfitOf(name: string, { version, contracted }: Versions, { min, max }: SchemaWindow): string | null {
  const works = `this build works with ${min}…${max}`;
  if (version < min) return `${name} is at ${version}, ${works}: run \`praxis migrate\``;
  if (contracted > max) return `${name} was contracted by ${contracted}, ${works}: deploy the build that fits`;
  return null;
}

/** No table of migrations yet, or one without the grants that the foundation ends with. */
const foundationMissing: ReadonlySet<unknown> = new Set(['42P01', '42501']);
/** By way of JSON: a list that an earlier migrator made says nothing of phases. */
const newest = `
  select max("timestamp") filter (where not contracts) as version, max("timestamp") filter (where contracts) as contracted
    from (select "timestamp", coalesce(to_jsonb(m) ->> 'phase', 'expand') = 'contract' as contracts from migrations m) m`;

async function versionsOf(pool: NodePool): Promise<Versions> {
  try {
    const { value } = await transact(pool, 'read', null, (db) =>
      db.query<{ version: string | null; contracted: string | null }>(newest),
    );
    return { version: Number(value[0]?.version ?? 0), contracted: Number(value[0]?.contracted ?? 0) };
  } catch (error) {
    if (foundationMissing.has((error as { code?: unknown }).code)) return { version: 0, contracted: 0 };
    throw error;
  }
}
