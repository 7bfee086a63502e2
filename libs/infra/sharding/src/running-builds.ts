import { type Clock, newId, toDate } from '#infra/kernel';
import { type Databases, directoryName } from './databases.js';
import type { SchemaWindows } from './schema-window.js';
import { transact } from './transaction.js';

/** A process that said nothing for this long has ended. */
export const buildGoneMs = 120_000;
const beatMs = 30_000;

/**
 * Tells the directory every 30 s which schemas this process knows, so that `praxis migrate --contract` takes nothing away
 * from it. What cannot be told now is told the next time.
 */
export class BuildBeat {
  readonly #id = newId();
  #timer: NodeJS.Timeout | undefined;
  #beating: Promise<void> = Promise.resolve();

  constructor(
    private readonly databases: Databases,
    private readonly app: string,
    private readonly windows: SchemaWindows,
    private readonly clock: Clock,
  ) {}

  /** Resolves when it was told once, or could not be. */
  async start(): Promise<void> {
    this.#timer = setInterval(() => {
      this.#beating = this.#beat();
    }, beatMs);
    this.#timer.unref();
    this.#beating = this.#beat();
    await this.#beating;
  }

  async stop(): Promise<void> {
    if (this.#timer === undefined) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    await this.#beating;
    await this.#tell('delete from running_build where id = $1', [this.#id]);
  }

  async #beat(): Promise<void> {
    const { directory, shard } = this.windows;
    const now = this.clock.now();
    await this.#tell(beat, [this.#id, this.app, directory.max, shard.max, toDate(now), toDate(now - buildGoneMs)]);
  }

  async #tell(sql: string, parameters: readonly unknown[]): Promise<void> {
    try {
      await transact(this.databases.relay(directoryName), 'write', null, (db) => db.query(sql, parameters));
    } catch {
      // Without the directory nobody migrates either; a directory of before this table cannot be told.
    }
  }
}

const beat = `
  with gone as (delete from running_build where seen_at < $6)
  insert into running_build (id, app, directory_max, shard_max, seen_at) values ($1, $2, $3, $4, $5)
  on conflict (id) do update set seen_at = excluded.seen_at`;
