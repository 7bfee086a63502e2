import type { Log } from '#infra/telemetry';

/** Says once that work on a database is held up, and once that it goes on. */
export class BlockedDatabases {
  readonly #blocked = new Set<string>();

  constructor(
    private readonly log: Log,
    private readonly component: string,
  ) {}

  /** How a pass over the database ended; `error` is undefined where it went well. */
  note(database: string, error: unknown): void {
    const { component } = this;
    const blocked = error !== undefined;
    if (blocked === this.#blocked.has(database)) return;
    if (blocked) this.#blocked.add(database);
    else this.#blocked.delete(database);
    if (blocked) this.log.error('relay.blocked', { component, database, error });
    else this.log.info('relay.resumed', { component, database });
  }
}
