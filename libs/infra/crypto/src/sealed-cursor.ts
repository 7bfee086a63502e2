import { type Clock, type Instant, isAppError, type TenantId } from '#infra/kernel';
import { fail } from './crypto.errors.js';
import type { Place, TenantCrypto } from './tenant-crypto.js';

export const cursorTtlMs = 60 * 60_000;
/** Within one of these a cursor's text stays the same, so that a list that did not change can be seen not to have changed. */
export const cursorSpanMs = 10 * 60_000;
export const cursorMaxChars = 2_048;

/** What a cursor was made for; it opens for nothing else. */
export interface CursorBinding {
  readonly userId: string;
  /** Method and template, `GET /api/v1/appointments` for example. */
  readonly route: string;
  /** Hash of every parameter that shapes the list, without spaces. */
  readonly filterHash: string;
}

/** A list's position that its holder can neither read, change, nor use elsewhere or after an hour. */
export class SealedCursor {
  constructor(
    private readonly crypto: TenantCrypto,
    private readonly clock: Clock,
  ) {}

  /** `keyset` is JSON; the cursor lives until `expiresAt`, or else for 50 to 60 minutes, and never longer. */
  async seal(tenantId: TenantId, binding: CursorBinding, keyset: unknown, expiresAt?: Instant): Promise<string> {
    const now = this.clock.now();
    const latest = now - (now % cursorSpanMs) + cursorTtlMs;
    const content = Buffer.from(JSON.stringify([Math.min(expiresAt ?? latest, latest), keyset]));
    const sealed = await this.crypto.sealRepeatably(tenantId, placeOf(binding), content, 'cursor');
    const text = sealed.toString('base64url');
    if (text.length > cursorMaxChars) throw fail('crypto.too_large', { internal: `cursor of ${binding.route}` });
    return text;
  }

  /** The keyset, or `cursor.invalid`: it does not say which check failed. */
  async open(tenantId: TenantId, binding: CursorBinding, cursor: string): Promise<unknown> {
    const envelope = decode(cursor);
    const [expiresAt, keyset] = await this.#unseal(tenantId, binding, envelope);
    if (this.clock.now() >= expiresAt) throw fail('cursor.invalid');
    return keyset;
  }

  async #unseal(tenantId: TenantId, binding: CursorBinding, envelope: Buffer): Promise<[Instant, unknown]> {
    try {
      return (await this.crypto.openJson(tenantId, placeOf(binding), envelope, 'cursor')) as [Instant, unknown];
    } catch (error) {
      if (isAppError(error, 'crypto.envelope_invalid') || isAppError(error, 'crypto.key_destroyed'))
        throw fail('cursor.invalid');
      throw error;
    }
  }
}

/** Only the one canonical spelling counts: lenient base64 would let altered cursors through. */
function decode(cursor: string): Buffer {
  const envelope = cursor.length <= cursorMaxChars ? Buffer.from(cursor, 'base64url') : Buffer.alloc(0);
  if (envelope.length === 0 || envelope.toString('base64url') !== cursor) throw fail('cursor.invalid');
  return envelope;
}

const placeOf = ({ userId, route, filterHash }: CursorBinding): Place => ({
  table: 'cursor',
  rowId: userId,
  group: `${route} ${filterHash}`,
});
