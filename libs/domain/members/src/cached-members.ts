import { createHash } from 'node:crypto';
import { type Answer, type Cache, representationKey } from '#infra/cache';
import type { TenantContext } from '#infra/kernel';
import type { Sharding } from '#infra/sharding';
import type { Identities } from './identities.js';
import type { Member, MemberId } from './member.js';
import type { MembersRepository } from './members.repository.js';

/** A member as somebody got to see it. */
export interface Sighting {
  readonly member: Member;
  readonly from: Answer<Member>['from'];
  /** How long ago it was read from its shard. */
  readonly ageMs: number;
}

/** What a `Member` shows of a member: all but the id number, which is masked. Another number when that changes. */
const shape = { mask: 'id-number', policyVersion: 1 } as const;
const prefix = 'member:';

/**
 * Members read through the cache, where they lie sealed. Two entries: which member has a number (by its blind index; a
 * number keeps its member for ever), and the member. Whether somebody may see it is decided and recorded before, each time.
 */
export class CachedMembers {
  constructor(
    private readonly cache: Cache,
    private readonly sharding: Sharding,
    private readonly rows: MembersRepository,
    private readonly identities: Identities,
  ) {
    const read = (ctx: TenantContext, name: string) => this.byId(ctx, name.split(':')[1] as MemberId);
    cache.warming.prepare({ strategy: 'memberData', prefix, read });
  }

  /** Nobody of that number: undefined, and for 30 s so, unless somebody is enrolled under it. */
  async byTokens(ctx: TenantContext, tokens: readonly Buffer[]): Promise<Sighting | undefined> {
    if (tokens.length === 0) return undefined;
    const found = await this.cache.read(ctx, 'memberData', numberKey(tokens), async (asker) => {
      const row = await this.sharding.read(asker, (tx) => this.rows.byToken(tx, tokens));
      return row?.id;
    });
    return found.value && this.byId(ctx, found.value);
  }

  async byId(ctx: TenantContext, id: MemberId): Promise<Sighting | undefined> {
    const { value, ...origin } = await this.cache.read(
      ctx,
      'memberData',
      representationKey(`${prefix}${id}`, shape),
      async (asker): Promise<Member | undefined> => {
        const row = await this.sharding.read(asker, (tx) => this.rows.read(tx, id));
        return row && this.identities.open(asker, row);
      },
      { tags: () => [tagOf(id)] },
    );
    return value && { member: value, ...origin };
  }

  /** After the commit, and once more by a job of the same transaction, should this process not live to say so. */
  changed(ctx: TenantContext, id: MemberId): Promise<void> {
    return this.cache.forgetTag(ctx, tagOf(id));
  }

  enrolled(ctx: TenantContext, tokens: readonly Buffer[]): Promise<void> {
    return this.cache.forget(ctx, 'memberData', numberKey(tokens));
  }
}

const tagOf = (id: MemberId): string => `${prefix}${id}`;

/** Blind indexes are keyed hashes; their digest is shorter. */
function numberKey(tokens: readonly Buffer[]): string {
  const digest = createHash('sha256');
  for (const token of tokens) digest.update(token);
  return `number:${digest.digest('hex')}`;
}
