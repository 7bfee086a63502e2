import { type Instant, newId, type Page, type PageRequest, toDate } from '#infra/kernel';
import { type Keyset, listed, type ReadContext, violatedConstraint, type WriteContext } from '#infra/sharding';
import { actorIdOf } from './actor.js';
import type { Member, MemberId, MemberStatus, Membership } from './member.js';
import { fail } from './members.errors.js';

/** A member as its row has it: who it is, is sealed. */
export interface MemberRow extends Omit<Member, 'name' | 'idNumber'> {
  readonly identity: Buffer;
}

export interface MemberFilter {
  readonly status?: MemberStatus | undefined;
}

type Stored<T> = Omit<T, 'createdAt' | 'updatedAt'> & { readonly createdAt: Date; readonly updatedAt: Date };

/** The membership periods of a row `m` of member, as JSON, oldest first. */
export const periodsOfMember = `(select coalesce(json_agg(json_build_object('id', p.id, 'from', lower(p.period),
    'until', upper(p.period), 'tz', p.tz) order by lower(p.period)), '[]')
  from membership p where p.tenant_id = m.tenant_id and p.member_id = m.id)`;

const columns = `m.id, m.version, m.member_no as "memberNo", m.status, m.identity,
  m.created_at as "createdAt", m.updated_at as "updatedAt", ${periodsOfMember} as memberships`;

const lists = {
  all: `select ${columns} from member m where m.tenant_id = $1`,
  byStatus: `select ${columns} from member m where m.tenant_id = $1 and m.status = $2`,
} as const;
const byEnrolment: Keyset<Stored<MemberRow>, MemberId> = {
  columns: ['m.id'],
  keyOf: ({ id }) => id,
  valuesOf: (id) => [id],
};

/** Every statement about members, their id numbers' tokens and their memberships. Lists go in order of enrolment. */
export class MembersRepository {
  /** The tenant's next number, held until the transaction ends: no two enrolments get one, and none is lost. */
  async nextNumber(tx: WriteContext): Promise<number> {
    const [row] = await tx.db.query<{ next: number }>(
      `insert into member_counter (tenant_id, id, last_no) values ($1, $2, 1)
       on conflict on constraint member_counter_once do update set last_no = member_counter.last_no + 1
       returning last_no::int as next`,
      [tx.tenant.id, newId()],
    );
    return Number(row?.next);
  }

  /** Throws member.already_enrolled when a member has one of the tokens. */
  async insert(tx: WriteContext, row: MemberRow, tokens: readonly Buffer[]): Promise<void> {
    if (tokens.length === 0) throw new RangeError('a member without a token could be enrolled twice');
    const { id, memberNo, status, identity, version } = row;
    tx.db.send(
      `insert into member (tenant_id, id, member_no, status, identity, version, created_by, created_at, updated_at)
       values ($1, $2, $3, $4, $5, $6, $7, $8, $8)`,
      [tx.tenant.id, id, memberNo, status, identity, version, actorIdOf(tx), toDate(row.createdAt)],
    );
    const inserted = tx.db.execute(
      `insert into member_id_token (tenant_id, id, member_id, token)
       select $1, t.id, $2, t.token from unnest($3::uuid[], $4::bytea[]) as t (id, token)`,
      [tx.tenant.id, id, tokens.map(() => newId()), tokens],
    );
    await inserted.catch((error: unknown) => {
      throw violatedConstraint(error) === 'member_id_token_once' ? fail('member.already_enrolled') : error;
    });
  }

  /** Throws membership.overlap when the member has one on one of its days. */
  async insertMembership(tx: WriteContext, memberId: MemberId, membership: Membership, at: Instant): Promise<void> {
    const { id, from, until, tz } = membership;
    const inserted = tx.db.execute(
      `insert into membership (tenant_id, id, member_id, period, tz, created_by, created_at)
       values ($1, $2, $3, daterange($4::date, $5::date, '[)'), $6, $7, $8)`,
      [tx.tenant.id, id, memberId, from, until, tz, actorIdOf(tx), toDate(at)],
    );
    await inserted.catch((error: unknown) => {
      throw violatedConstraint(error) === 'membership_no_overlap' ? fail('membership.overlap') : error;
    });
  }

  /** Status and version; the caller holds the row. */
  update(tx: WriteContext, { id, status, version, updatedAt }: MemberRow): void {
    tx.db.send('update member set status = $3, version = $4, updated_at = $5 where tenant_id = $1 and id = $2', [
      tx.tenant.id,
      id,
      status,
      version,
      toDate(updatedAt),
    ]);
  }

  async read(tx: ReadContext, id: MemberId): Promise<MemberRow | undefined> {
    const sql = `select ${columns} from member m where m.tenant_id = $1 and m.id = $2`;
    return (await tx.db.query<Stored<MemberRow>>(sql, [tx.tenant.id, id])).map(withInstants)[0];
  }

  /** Waits for whoever changes the member now, and holds off the next until the transaction ends. */
  async readForUpdate(tx: WriteContext, id: MemberId): Promise<MemberRow | undefined> {
    tx.db.send('select from member where tenant_id = $1 and id = $2 for update', [tx.tenant.id, id]);
    return this.read(tx, id);
  }

  /** By the blind index of the id number, in one statement. */
  async byToken(tx: ReadContext, tokens: readonly Buffer[]): Promise<MemberRow | undefined> {
    const rows = await tx.db.query<Stored<MemberRow>>(
      `select ${columns} from member_id_token t join member m on m.tenant_id = t.tenant_id and m.id = t.member_id
        where t.tenant_id = $1 and t.token = any($2::bytea[]) limit 1`,
      [tx.tenant.id, tokens],
    );
    return rows.map(withInstants)[0];
  }

  async list(
    tx: ReadContext,
    { status }: MemberFilter,
    page: PageRequest<MemberId>,
  ): Promise<Page<MemberRow, MemberId>> {
    const listing = status
      ? { select: lists.byStatus, values: [tx.tenant.id, status] }
      : { select: lists.all, values: [tx.tenant.id] };
    const found = await listed(tx.db, listing, byEnrolment, page);
    return { ...found, items: found.items.map(withInstants) };
  }
}

const withInstants = (row: Stored<MemberRow>): MemberRow => ({
  ...row,
  createdAt: row.createdAt.getTime(),
  updatedAt: row.updatedAt.getTime(),
});
