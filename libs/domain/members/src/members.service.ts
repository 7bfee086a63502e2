import { Injectable } from '@nestjs/common';
import type { Audit, AuditEvent } from '#infra/audit';
import type { Cache } from '#infra/cache';
import type { TenantCrypto } from '#infra/crypto';
import { type Clock, isAppError, newId, type Page, type PageRequest, type TenantContext } from '#infra/kernel';
import type { Outbox } from '#infra/queues';
import type { Quotas } from '#infra/quotas';
import type { Sharding, WriteContext } from '#infra/sharding';
import { isZone } from '#infra/time';
import { CachedMembers, type Sighting } from './cached-members.js';
import { type IdNumber, type IdScheme, readIdNumber } from './id-scheme.js';
import { Identities } from './identities.js';
import {
  type Member,
  type MemberChange,
  type MemberId,
  type MembershipId,
  memberLimits,
  memberNoOf,
  type NewMember,
  type Period,
  statusAfter,
} from './member.js';
import { fail } from './members.errors.js';
import { enrolledFact } from './members.facts.js';
import { forgetMember } from './members.jobs.js';
import { demand } from './members.policy.js';
import { type MemberFilter, type MemberRow, MembersRepository } from './members.repository.js';

export interface MembersParts {
  readonly sharding: Sharding;
  readonly audit: Audit;
  readonly outbox: Outbox;
  readonly crypto: TenantCrypto;
  readonly clock: Clock;
  readonly quotas: Quotas;
}

/** Who belongs, and when. Every reading is recorded; an id number is never shown whole. */
@Injectable()
export class MembersService {
  readonly #rows = new MembersRepository();
  readonly #identities: Identities;

  readonly #cached: CachedMembers;

  constructor(
    private readonly parts: MembersParts,
    cache: Cache,
  ) {
    this.#identities = new Identities(parts.crypto);
    this.#cached = new CachedMembers(cache, parts.sharding, this.#rows, this.#identities);
  }

  /** Gives the next membership number, once for each id number. */
  async enrol(ctx: TenantContext, { name, idScheme, idNumber, membership }: NewMember): Promise<Member> {
    demand(ctx, 'member.manage');
    const read = expectIdNumber(idScheme, idNumber);
    expectPeriod(membership);
    const id = newId<MemberId>();
    const [identity, tokens] = await Promise.all([
      this.#identities.seal(ctx, id, name, read),
      this.#identities.tokensToStore(ctx, read),
    ]);
    const enrolled = this.parts.sharding.writeOnce(ctx, async (tx) => {
      const row = await this.#enrol(tx, { id, identity, period: membership }, tokens);
      const member = await this.#identities.open(tx, row);
      await this.parts.quotas.consume(tx, 'members');
      return member;
    });
    const member = await this.parts.quotas.refusing(ctx, enrolled);
    await this.#cached.enrolled(ctx, tokens);
    return member;
  }

  /**
   * By id number, however it is spaced. Nobody of that number, somebody of another tenant: the same answer. The attempt
   * is on record either way.
   */
  async lookup(ctx: TenantContext, scheme: IdScheme, idNumber: string): Promise<Member> {
    return (await this.sight(ctx, scheme, idNumber)).member;
  }

  /** As `lookup`, and says how fresh the answer is. A member that is cached is found while its shard is away. */
  async sight(ctx: TenantContext, scheme: IdScheme, idNumber: string): Promise<Sighting> {
    demand(ctx, 'member.lookup');
    const tokens = await this.#identities.tokensToFind(ctx, expectIdNumber(scheme, idNumber));
    const seen = await this.#cached.byTokens(ctx, tokens);
    const event = { action: 'member.lookup', resourceType: 'member' } as const;
    if (seen) return this.#recorded(ctx, { ...event, resourceId: seen.member.id }, seen);
    await this.parts.audit.recordRead(ctx, { ...event, outcome: 'failure' });
    throw fail('member.not_found');
  }

  async list(ctx: TenantContext, filter: MemberFilter, page: PageRequest<MemberId>): Promise<Page<Member, MemberId>> {
    demand(ctx, 'member.read');
    const found = await this.parts.sharding.read(ctx, (tx) => this.#rows.list(tx, filter, page), { from: 'replica' });
    const items = await Promise.all(found.items.map((row) => this.#identities.open(ctx, row)));
    await this.parts.audit.recordRead(ctx, {
      action: 'member.list',
      resourceType: 'member',
      subjectIds: items.map(({ id }) => id),
    });
    return { ...found, items };
  }

  async read(ctx: TenantContext, id: MemberId): Promise<Member> {
    demand(ctx, 'member.read');
    const seen = await this.#cached.byId(ctx, id);
    if (!seen) throw fail('member.not_found');
    const event = { action: 'member.read', resourceType: 'member', resourceId: id } as const;
    return (await this.#recorded(ctx, event, seen)).member;
  }

  /** For a job: what was said after the commit, should nobody have said it. */
  forgetCached(ctx: TenantContext, id: MemberId): Promise<void> {
    return this.#cached.changed(ctx, id);
  }

  /** Suspends, reinstates or ends; cards count from the next verification on. */
  async change(ctx: TenantContext, id: MemberId, expectedVersion: number, change: MemberChange): Promise<Member> {
    demand(ctx, 'member.manage');
    return this.#changed(ctx, id, async (tx) => {
      const current = await this.#rows.readForUpdate(tx, id);
      if (!current) throw fail('member.not_found');
      if (current.version !== expectedVersion)
        throw fail('member.version_conflict', { extra: { currentVersion: current.version } });
      const status = statusAfter(current.status, change);
      if (status === null) throw fail('member.wrong_state', { internal: `${change} of ${current.status}` });
      const next = await this.#advance(tx, current, { status }, `member.${change}`);
      const member = await this.#identities.open(tx, next);
      if (status === 'resigned') await this.parts.quotas.release(tx, 'members');
      return member;
    });
  }

  /** One more period; two that touch are a renewal, two that share a day are refused. */
  async addMembership(ctx: TenantContext, id: MemberId, period: Period): Promise<Member> {
    demand(ctx, 'member.manage');
    expectPeriod(period);
    return this.#changed(ctx, id, async (tx) => {
      const current = await this.#rows.readForUpdate(tx, id);
      if (!current) throw fail('member.not_found');
      if (current.status === 'resigned') throw fail('member.wrong_state', { internal: 'membership of resigned' });
      if (current.memberships.length >= memberLimits.memberships) throw fail('membership.too_many');
      const membership = { id: newId<MembershipId>(), ...period };
      await this.#rows.insertMembership(tx, id, membership, this.parts.clock.now());
      const memberships = [...current.memberships, membership].sort((a, b) => (a.from < b.from ? -1 : 1));
      const next = await this.#advance(tx, current, { memberships }, 'member.add_membership');
      return this.#identities.open(tx, next);
    });
  }

  /**
   * Nobody is shown anything before it is on record: beside the data, or while that shard is away and the member was cached,
   * in the tenant's record in the directory.
   */
  async #recorded(ctx: TenantContext, event: AuditEvent, seen: Sighting): Promise<Sighting> {
    try {
      await this.parts.audit.recordRead(ctx, event);
      return seen;
    } catch (error) {
      if (seen.from === 'source' || !isAppError(error, 'audit.unavailable')) throw error;
      await this.parts.audit.recordRead(ctx, event, 'directory');
      return { ...seen, from: 'late' };
    }
  }

  async #changed(ctx: TenantContext, id: MemberId, change: (tx: WriteContext) => Promise<Member>): Promise<Member> {
    const member = await this.parts.sharding.writeOnce(ctx, change);
    await this.#cached.changed(ctx, id);
    return member;
  }

  async #enrol(
    tx: WriteContext,
    { id, identity, period }: { readonly id: MemberId; readonly identity: Buffer; readonly period: Period },
    tokens: readonly Buffer[],
  ): Promise<MemberRow> {
    const now = this.parts.clock.now();
    const membership = { id: newId<MembershipId>(), ...period };
    const row: MemberRow = {
      id,
      version: 1,
      memberNo: memberNoOf(await this.#rows.nextNumber(tx)),
      status: 'active',
      identity,
      memberships: [membership],
      createdAt: now,
      updatedAt: now,
    };
    await this.#rows.insert(tx, row, tokens);
    await this.#rows.insertMembership(tx, id, membership, now);
    await this.parts.outbox.append(tx, enrolledFact(row));
    await this.parts.audit.record(tx, {
      action: 'member.enrol',
      resourceType: 'member',
      resourceId: id,
      versionTo: row.version,
    });
    return row;
  }

  async #advance(
    tx: WriteContext,
    current: MemberRow,
    changes: Partial<Pick<MemberRow, 'status' | 'memberships'>>,
    action: `member.${string}`,
  ): Promise<MemberRow> {
    const next = { ...current, ...changes, version: current.version + 1, updatedAt: this.parts.clock.now() };
    this.#rows.update(tx, next);
    await this.parts.outbox.append(tx, forgetMember.entry(next.id, { memberId: next.id }));
    await this.parts.audit.record(tx, {
      action,
      resourceType: 'member',
      resourceId: next.id,
      versionFrom: current.version,
      versionTo: next.version,
      fields: Object.keys(changes),
    });
    return next;
  }
}

function expectIdNumber(scheme: IdScheme, text: string): IdNumber {
  const read = readIdNumber(scheme, text);
  if (read === null) throw fail('member.id_number_invalid');
  return read;
}

function expectPeriod({ from, until, tz }: Period): void {
  if (!isZone(tz)) throw fail('membership.unknown_zone');
  if (until !== null && until <= from) throw fail('membership.range_invalid');
}
