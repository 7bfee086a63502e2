import { z } from 'zod';
import type { TenantCrypto } from '#infra/crypto';
import type { TenantContext } from '#infra/kernel';
import type { RecordTexts } from './statement.js';

const text = z.string().nullable();
/** In this order, so that names are not repeated a million times. */
const content = z.tuple([text, text, text]);

const partPlace = (rowId: string) => ({ table: 'recon_upload_part', rowId, group: 'bytes' });
const rawPlace = (rowId: string) => ({ table: 'recon_rejected_row', rowId, group: 'raw' });
const recordPlace = (rowId: string) => ({ table: 'recon_record', rowId, group: 'content' });
const digestPlace = (rowId: string) => ({ table: 'recon_statement', rowId, group: 'digest' });

/** What files say, sealed before it reaches a row. */
export class Envelopes {
  constructor(private readonly crypto: TenantCrypto) {}

  sealPart({ tenant }: TenantContext, id: string, bytes: Buffer): Promise<Buffer> {
    return this.crypto.seal(tenant.id, partPlace(id), bytes);
  }

  openPart({ tenant }: TenantContext, id: string, sealed: Buffer): Promise<Buffer> {
    return this.crypto.open(tenant.id, partPlace(id), sealed);
  }

  sealRaw({ tenant }: TenantContext, id: string, raw: string): Promise<Buffer> {
    return this.crypto.seal(tenant.id, rawPlace(id), Buffer.from(raw));
  }

  async openRaw({ tenant }: TenantContext, id: string, sealed: Buffer): Promise<string> {
    return (await this.crypto.open(tenant.id, rawPlace(id), sealed)).toString();
  }

  sealDigest({ tenant }: TenantContext, id: string, sha256: Buffer): Promise<Buffer> {
    return this.crypto.seal(tenant.id, digestPlace(id), sha256);
  }

  async openDigest({ tenant }: TenantContext, id: string, sealed: Buffer): Promise<string> {
    return (await this.crypto.open(tenant.id, digestPlace(id), sealed)).toString('hex');
  }

  sealRecord({ tenant }: TenantContext, id: string, { externalId, reference, memo }: RecordTexts): Promise<Buffer> {
    return this.crypto.sealJson(tenant.id, recordPlace(id), [externalId, reference, memo]);
  }

  async openRecord({ tenant }: TenantContext, id: string, sealed: Buffer): Promise<RecordTexts> {
    const [externalId, reference, memo] = content.parse(await this.crypto.openJson(tenant.id, recordPlace(id), sealed));
    return { externalId, reference, memo };
  }
}
