import { Injectable } from '@nestjs/common';
import type { Audit } from '#infra/audit';
import type { TenantCrypto } from '#infra/crypto';
import { type Clock, newId, type Page, type PageRequest, type TenantContext } from '#infra/kernel';
import type { Outbox } from '#infra/queues';
import type { Sharding, WriteContext } from '#infra/sharding';
import { isZone } from '#infra/time';
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
import { demand } from './members.policy.js';
import { type MemberFilter, type MemberRow, MembersRepository } from './members.repository.js';

export interface MembersParts {
  readonly sharding: Sharding;
  readonly audit: Audit;
  readonly outbox: Outbox;
  readonly crypto: TenantCrypto;
  readonly clock: Clock;
}

/** Who belongs, and when. Every reading is recorded; an id number is never shown whole. */
@Injectable()
export class MembersService {
  readonly #rows = new MembersRepository();
  readonly #identities: Identities;

  constructor(private readonly parts: MembersParts) {
    this.#identities = new Identities(parts.crypto);
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
    return this.parts.sharding.writeOnce(ctx, async (tx) => {
      const row = await this.#enrol(tx, { id, identity, period: membership }, tokens);
      return this.#identities.open(tx, row);
    });
  }

  /**
   * By id number, however it is spaced. Nobody of that number, somebody of another tenant: the same answer. The attempt
   * is on record either way.
   */
  async lookup(ctx: TenantContext, scheme: IdScheme, idNumber: string): Promise<Member> {
    demand(ctx, 'member.lookup');
    const tokens = await this.#identities.tokensToFind(ctx, expectIdNumber(scheme, idNumber));
    const row = await this.parts.sharding.read(ctx, (tx) => this.#rows.byToken(tx, tokens));
    const member = row && (await this.#identities.open(ctx, row));
    await this.parts.audit.recordRead(ctx, {
      action: 'member.lookup',
      resourceType: 'member',
      ...(member ? { resourceId: member.id } : { outcome: 'failure' }),
    });
    if (!member) throw fail('member.not_found');
    return member;
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
    return { items, next: found.next };
  }

  async read(ctx: TenantContext, id: MemberId): Promise<Member> {
    demand(ctx, 'member.read');
    const row = await this.parts.sharding.read(ctx, (tx) => this.#rows.read(tx, id));
    if (!row) throw fail('member.not_found');
    const member = await this.#identities.open(ctx, row);
    await this.parts.audit.recordRead(ctx, { action: 'member.read', resourceType: 'member', resourceId: id });
    return member;
  }

  /** Suspends, reinstates or ends; cards count from the next verification on. */
  async change(ctx: TenantContext, id: MemberId, expectedVersion: number, change: MemberChange): Promise<Member> {
    demand(ctx, 'member.manage');
    return this.parts.sharding.writeOnce(ctx, async (tx) => {
      const current = await this.#rows.readForUpdate(tx, id);
      if (!current) throw fail('member.not_found');
      if (current.version !== expectedVersion)
        throw fail('member.version_conflict', { extra: { currentVersion: current.version } });
      const status = statusAfter(current.status, change);
      if (status === null) throw fail('member.wrong_state', { internal: `${change} of ${current.status}` });
      const next = await this.#advance(tx, current, { status }, `member.${change}`);
      return this.#identities.open(tx, next);
    });
  }

  /** One more period; two that touch are a renewal, two that share a day are refused. */
  async addMembership(ctx: TenantContext, id: MemberId, period: Period): Promise<Member> {
    demand(ctx, 'member.manage');
    expectPeriod(period);
    return this.parts.sharding.writeOnce(ctx, async (tx) => {
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
