import { createHmac, type KeyObject, timingSafeEqual } from 'node:crypto';
import type { TenantId } from '#infra/kernel';
import { fromBase45, toBase45 } from './base45.js';
import type { CardId } from './card.js';

/** What a code says of itself, which counts only because we signed it. */
export interface CardClaim {
  readonly tenantId: TenantId;
  readonly cardId: CardId;
  /** The card's version when the code was made. */
  readonly version: number;
}

/** Label of the platform key: codes are read before any tenant is known. */
export const cardCodeKeyLabel = 'card-code-1';

/** `MC0:` and base45 of form(1) tenant(16) card(16) version(2, big-endian) mac(16): 81 characters, a QR code of 33×33. */
const prefix = 'MC0:';
const formOne = 1;
const idBytes = 16;
const bodyBytes = 1 + idBytes + idBytes + 2;
/** HMAC-SHA-256 cut to 128 bits (RFC 2104, section 5): a guess is asked online, under a limit. */
const macBytes = 16;
/** No longer scan is looked at. */
export const scanMaxChars = 512;

/** Writes and reads what stands in a card's QR code. It holds ids and proves that we made it; it says nothing of a status. */
export class CardCodes {
  constructor(private readonly key: KeyObject) {}

  write({ tenantId, cardId, version }: CardClaim): string {
    const body = Buffer.alloc(bodyBytes);
    body[0] = formOne;
    bytesOf(tenantId).copy(body, 1);
    bytesOf(cardId).copy(body, 1 + idBytes);
    body.writeUInt16BE(version, bodyBytes - 2);
    return prefix + toBase45(Buffer.concat([body, this.#mac(body)]));
  }

  /** Null for everything that this key did not sign, whatever is wrong with it. */
  read(scan: string): CardClaim | null {
    if (!scan.startsWith(prefix) || scan.length > scanMaxChars) return null;
    const bytes = fromBase45(scan.slice(prefix.length));
    if (bytes?.length !== bodyBytes + macBytes) return null;
    const body = bytes.subarray(0, bodyBytes);
    if (!timingSafeEqual(bytes.subarray(bodyBytes), this.#mac(body)) || body[0] !== formOne) return null;
    return {
      tenantId: idOf(body.subarray(1, 1 + idBytes)) as TenantId,
      cardId: idOf(body.subarray(1 + idBytes, 1 + 2 * idBytes)) as CardId,
      version: body.readUInt16BE(bodyBytes - 2),
    };
  }

  #mac(body: Buffer): Buffer {
    return createHmac('sha256', this.key).update(prefix).update(body).digest().subarray(0, macBytes);
  }
}

const bytesOf = (id: string): Buffer => Buffer.from(id.replaceAll('-', ''), 'hex');

const idOf = (bytes: Buffer): string =>
  bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
