export { type CryptoConfig, cryptoConfig } from './crypto.config.js';
export { CryptoModule } from './crypto.module.js';
export { Ed25519Key } from './ed25519-key.js';
export { type KeyPurpose, keyPurposes, type RotatablePurpose, rotatablePurposes } from './key-purpose.js';
export { type KeyWrapper, RootKey } from './root-key.js';
export { type CursorBinding, cursorMaxChars, cursorTtlMs, SealedCursor } from './sealed-cursor.js';
export { type Place, plaintextMaxBytes, type SealPurpose, TenantCrypto } from './tenant-crypto.js';
export { TenantKeyStore, type WrappedKey } from './tenant-key-store.js';
export { indexSettleMs, keyCacheTtlMs } from './tenant-keys.js';
