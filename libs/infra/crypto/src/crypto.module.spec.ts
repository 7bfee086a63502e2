import { Global, Module } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { parseConfig } from '#infra/config';
import { newId, type TenantId } from '#infra/kernel';
import { cryptoConfig } from './crypto.config.js';
import { CryptoModule } from './crypto.module.js';
import { RootKey } from './root-key.js';
import { SealedCursor } from './sealed-cursor.js';
import { TenantCrypto } from './tenant-crypto.js';
import { TenantKeyStore, type WrappedKey } from './tenant-key-store.js';

class Keys extends TenantKeyStore {
  readonly rows: WrappedKey[] = [];
  async load(): Promise<readonly WrappedKey[]> {
    return this.rows;
  }
  async add(_tenantId: TenantId, _purpose: string, key: WrappedKey): Promise<void> {
    this.rows.push(key);
  }
}

@Global()
@Module({ providers: [{ provide: TenantKeyStore, useClass: Keys }], exports: [TenantKeyStore] })
class StoreModule {}

it('the module wires root key, envelopes and cursors over the store that another module provides', async () => {
  const environment = { ROOT_KEY: 'fKPfc9hNfIOJTZ0yoQ4fL5o6h2gUrh3S1Np0rJmT6Wk=' };
  const { crypto: config } = parseConfig({ crypto: cryptoConfig }, environment);
  const app = await Test.createTestingModule({ imports: [StoreModule, CryptoModule.forRoot(config)] }).compile();
  const [tenant, place] = [newId<TenantId>(), { table: 'patient', rowId: newId(), group: 'notes' }];
  const envelope = await app.get(TenantCrypto).seal(tenant, place, Buffer.from('content'));
  const [stored] = await app.get(TenantKeyStore).load(tenant, 'phi');
  expect(await app.get(RootKey).unwrap(tenant, 'phi', 1, stored!.wrapped)).toHaveLength(32);
  expect(await app.get(TenantCrypto).open(tenant, place, envelope)).toEqual(Buffer.from('content'));
  expect(app.get(SealedCursor)).toBeInstanceOf(SealedCursor);
  await app.close();
});
