import { type KeyPurpose, TenantKeyStore, type WrappedKey } from '#infra/crypto';
import { isAppError, newId, type TenantId, toDate } from '#infra/kernel';
import type { Databases } from './databases.js';
import { entering } from './entry.js';
import { fail } from './sharding.errors.js';
import { transact } from './transaction.js';

interface Row {
  readonly version: number;
  readonly wrapped: Buffer;
  readonly created_at: Date;
  readonly destroyed_at: Date | null;
}

/** Wrapped data keys in the directory: the store that crypto asks through its port. */
export class DirectoryKeys extends TenantKeyStore {
  constructor(private readonly databases: Databases) {
    super();
  }

  async load(tenantId: TenantId, purpose: KeyPurpose): Promise<readonly WrappedKey[]> {
    const rows = await this.#in(tenantId, 'read', (db) =>
      db.query<Row>(
        `select version, wrapped, created_at, destroyed_at from tenant_key
          where tenant_id = $1 and purpose = $2 order by version`,
        [tenantId, purpose],
      ),
    );
    return rows.map((row) => ({
      version: row.version,
      wrapped: row.wrapped,
      createdAt: row.created_at.getTime(),
      destroyedAt: row.destroyed_at?.getTime() ?? null,
    }));
  }

  /** The first writer of a version wins; the other one loads again and uses the winner's. */
  async add(tenantId: TenantId, purpose: KeyPurpose, key: WrappedKey): Promise<void> {
    await this.#in(tenantId, 'write', (db) =>
      db.query(
        `insert into tenant_key (tenant_id, id, purpose, version, wrapped, created_at) values ($1, $2, $3, $4, $5, $6)
         on conflict (tenant_id, purpose, version) do nothing`,
        [tenantId, newId(), purpose, key.version, key.wrapped, toDate(key.createdAt)],
      ),
    );
  }

  async #in<T>(tenantId: TenantId, mode: 'read' | 'write', fn: Parameters<typeof transact<T>>[3]): Promise<T> {
    const entry = entering({ tenantId, epoch: 0, timeoutMs: null, after: null, onPrimary: true });
    try {
      return (await transact(this.databases.keys, mode, entry, fn)).value;
    } catch (cause) {
      // Whoever asks may stand in another database's transaction, whose own failure this is not.
      throw isAppError(cause) ? fail('keys.unavailable', { cause, retryAfterMs: 1_000 }) : cause;
    }
  }
}
