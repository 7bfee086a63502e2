import { createHash } from 'node:crypto';
import { type Cache, Cached } from '#infra/cache';
import type { TenantContext } from '#infra/kernel';
import { type QrFormat, qrImage } from './qr-image.js';

/** What an app shows instead of plastic. */
export interface CardFace {
  /** What the QR code says. */
  readonly code: string;
  readonly svg: string;
}

/** Another number, when the same code is to be drawn in another way. */
const drawing = 'v1';

/** The code itself is in no key: it is a credential. A revocation or a new key makes another code, hence another key. */
const digestOf = (code: string): string => createHash('sha256').update(code).digest('hex');

/**
 * Drawings of codes, kept. Whether somebody may have one is decided and recorded before, each time; whether the card
 * behind it is worth something is no matter of pictures.
 */
export class CardPictures {
  constructor(readonly cache: Cache) {}

  @Cached('qrCodes', (code: string, format: QrFormat) => `${drawing}:${format}:${digestOf(code)}`)
  async draw(_ctx: TenantContext, code: string, format: QrFormat): Promise<Buffer> {
    return qrImage(code, format).content;
  }

  @Cached('cardData', (code: string) => `${drawing}:face:${digestOf(code)}`)
  async face(ctx: TenantContext, code: string): Promise<CardFace> {
    return { code, svg: (await this.draw(ctx, code, 'svg')).toString('utf8') };
  }
}
