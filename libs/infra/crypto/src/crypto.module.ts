import { type DynamicModule, Global, Module, type ModuleMetadata } from '@nestjs/common';
import { type Clock, systemClock } from '#infra/kernel';
import type { CryptoConfig } from './crypto.config.js';
import { RootKey } from './root-key.js';
import { SealedCursor } from './sealed-cursor.js';
import { TenantCrypto } from './tenant-crypto.js';
import { TenantKeyStore } from './tenant-key-store.js';

interface Options {
  /** The module that provides TenantKeyStore, where that one is not global. */
  readonly imports?: ModuleMetadata['imports'];
  readonly clock?: Clock;
}

@Global()
@Module({})
export class CryptoModule {
  static forRoot(config: CryptoConfig, { imports = [], clock = systemClock }: Options = {}): DynamicModule {
    return {
      module: CryptoModule,
      imports,
      providers: [
        { provide: RootKey, useFactory: () => new RootKey(config.rootKey) },
        {
          provide: TenantCrypto,
          useFactory: (root: RootKey, store: TenantKeyStore) => new TenantCrypto(root, store, clock),
          inject: [RootKey, TenantKeyStore],
        },
        {
          provide: SealedCursor,
          useFactory: (crypto: TenantCrypto) => new SealedCursor(crypto, clock),
          inject: [TenantCrypto],
        },
      ],
      exports: [RootKey, TenantCrypto, SealedCursor],
    };
  }
}
