import type { TenantCrypto } from '#infra/crypto';
import type { TenantContext } from '#infra/kernel';
import { type Criterion, type PlainToken, tokenKinds } from './tokens.js';
import type { TokenRow, WantedToken } from './tokens.repository.js';

/** Half an HMAC-SHA256 is more than anybody can confuse, and what is found is opened and looked at before it is shown. */
const tokenBytes = 16;

const fieldOf = ({ kind }: PlainToken): string => `patient.${kind}`;

/** Turns normalised texts into what rows may hold of them. */
export class BlindIndex {
  constructor(private readonly crypto: TenantCrypto) {}

  rowsOf({ tenant }: TenantContext, tokens: readonly PlainToken[]): Promise<readonly TokenRow[]> {
    return Promise.all(
      tokens.map(async (token) => {
        const whole = await this.crypto.token(tenant.id, fieldOf(token), token.text);
        return { kind: tokenKinds[token.kind], token: whole.subarray(0, tokenBytes) };
      }),
    );
  }

  /** The rows of every key version that may still be stored. */
  async wantedOf({ tenant }: TenantContext, criteria: readonly Criterion[]): Promise<readonly WantedToken[]> {
    const wanted = criteria.flatMap(({ alternatives }, criterion) =>
      alternatives.map(async ({ weight, ...token }) => {
        const tokens = await this.crypto.tokensForQuery(tenant.id, fieldOf(token), token.text);
        const kind = tokenKinds[token.kind];
        return tokens.map((whole) => ({ criterion, kind, weight, token: whole.subarray(0, tokenBytes) }));
      }),
    );
    return (await Promise.all(wanted)).flat();
  }
}
