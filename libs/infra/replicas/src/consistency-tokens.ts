import { createHmac, type KeyObject, timingSafeEqual } from 'node:crypto';
import type { Clock, SeenWrite, TenantId } from '#infra/kernel';

/** Longer than a replica in rotation may lag: afterwards every replica that is asked has seen the write. */
const validForMs = 30_000;
const macBytes = 16;
export const consistencyTokenMaxChars = 200;
const form =
  /^([0-9a-z]{1,12})\.([a-z0-9-]{1,40})\.([0-9a-f]{1,16})\.([0-9]{1,20}-[0-9A-F]{1,8})\.([A-Za-z0-9_-]{22})$/;

/**
 * `X-Consistency-Token`: where a caller’s newest write stands, for another session, process or region that reads on. It
 * holds `expiry.database.position.lineage` in the open and is signed for one tenant.
 */
export class ConsistencyTokens {
  constructor(
    private readonly key: KeyObject,
    private readonly clock: Clock,
  ) {}

  issue(tenantId: TenantId, { database, position, lineage }: SeenWrite): string {
    const expires = (this.clock.now() + validForMs).toString(36);
    const content = [expires, database, position.toString(16), lineage].join('.');
    return `${content}.${this.#mac(tenantId, content).toString('base64url')}`;
  }

  /** What must be seen, marked `old` once the token has expired; 'unknown' of one that we did not sign for this tenant. */
  read(tenantId: TenantId, token: string): SeenWrite | 'unknown' {
    const [, expires, database, position, lineage, mac] =
      (token.length <= consistencyTokenMaxChars ? form.exec(token) : null) ?? [];
    if (!expires || !database || !position || !lineage || !mac) return 'unknown';
    const content = [expires, database, position, lineage].join('.');
    const own = this.#mac(tenantId, content);
    if (!timingSafeEqual(own, Buffer.from(mac, 'base64url'))) return 'unknown';
    const seen = { database, position: BigInt(`0x${position}`), lineage };
    return Number.parseInt(expires, 36) <= this.clock.now() ? { ...seen, old: true } : seen;
  }

  #mac(tenantId: TenantId, content: string): Buffer {
    return createHmac('sha256', this.key).update(`v1|${tenantId}|${content}`).digest().subarray(0, macBytes);
  }
}
