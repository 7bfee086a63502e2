import type { Instant, TenantId } from '#infra/kernel';
import type { KeyPurpose } from './key-purpose.js';

/** One version of one data key, readable only with the root key. */
export interface WrappedKey {
  /** 1…65535, without gaps. */
  readonly version: number;
  readonly wrapped: Buffer;
  readonly createdAt: Instant;
  /** Set for ever once shredded; `wrapped` may then be empty. */
  readonly destroyedAt: Instant | null;
}

/** Where wrapped data keys live. An abstract class, so that it is its own injection token. */
export abstract class TenantKeyStore {
  /** Every version, destroyed ones too, in any order. Sees whatever any `add` has stored: never a lagging replica. */
  abstract load(tenantId: TenantId, purpose: KeyPurpose): Promise<readonly WrappedKey[]>;
  /** The first writer of a version wins; for any later one nothing changes and nothing is thrown. */
  abstract add(tenantId: TenantId, purpose: KeyPurpose, key: WrappedKey): Promise<void>;
}
