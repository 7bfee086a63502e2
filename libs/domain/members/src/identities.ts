import { z } from 'zod';
import type { TenantCrypto } from '#infra/crypto';
import type { TenantContext } from '#infra/kernel';
import { type IdNumber, idSchemes, indexText, masked } from './id-scheme.js';
import type { Member, MemberId, MemberName } from './member.js';
import type { MemberRow } from './members.repository.js';

const identitySchema = z.strictObject({
  name: z.strictObject({ given: z.string(), family: z.string() }),
  idNumber: z.strictObject({ scheme: z.enum(idSchemes), text: z.string() }),
});

const place = (rowId: string) => ({ table: 'member', rowId, group: 'identity' });
const tokenField = 'member.id_number';

/** Who somebody is: sealed before it reaches a row, opened only for a reader, found only by its blind index. */
export class Identities {
  constructor(private readonly crypto: TenantCrypto) {}

  seal({ tenant }: TenantContext, id: MemberId, name: MemberName, idNumber: IdNumber): Promise<Buffer> {
    return this.crypto.sealJson(tenant.id, place(id), { name, idNumber });
  }

  /** The id number itself leaves this lib only masked. */
  async open({ tenant }: TenantContext, { identity, ...row }: MemberRow): Promise<Member> {
    const { name, idNumber } = identitySchema.parse(await this.crypto.openJson(tenant.id, place(row.id), identity));
    return { ...row, name, idNumber: { scheme: idNumber.scheme, masked: masked(idNumber) } };
  }

  /** One for each key under which the number may be stored; none where the tenant has enrolled nobody yet. */
  tokensToFind({ tenant }: TenantContext, idNumber: IdNumber): Promise<readonly Buffer[]> {
    return this.crypto.tokensForQuery(tenant.id, tokenField, indexText(idNumber));
  }

  /** The same, at least one: `token` makes the tenant's first key, which a search never does. */
  async tokensToStore(ctx: TenantContext, idNumber: IdNumber): Promise<readonly Buffer[]> {
    await this.crypto.token(ctx.tenant.id, tokenField, indexText(idNumber));
    return this.tokensToFind(ctx, idNumber);
  }
}
