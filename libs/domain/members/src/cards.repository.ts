import { newId, toDate } from '#infra/kernel';
import { type ReadContext, violatedConstraint, type WriteContext } from '#infra/sharding';
import { actorIdOf } from './actor.js';
import type { Card, CardEvent, CardHistoryEntry, CardId } from './card.js';
import type { MemberId, MemberStatus, Period } from './member.js';
import { fail } from './members.errors.js';
import { periodsOfMember } from './members.repository.js';

/** A card with all that decides what it is worth, as one statement sees it. */
export interface CardRow extends Card {
  readonly memberStatus: MemberStatus;
  readonly periods: readonly Period[];
}

type Stored<T> = Omit<T, 'issuedAt' | 'revokedAt'> & { readonly issuedAt: Date; readonly revokedAt: Date | null };

const columns = `c.id, c.member_id as "memberId", c.is_primary as "primary", c.status, c.reason, c.version,
  c.issued_at as "issuedAt", c.revoked_at as "revokedAt", m.status as "memberStatus", ${periodsOfMember} as periods`;
const source = 'card c join member m on m.tenant_id = c.tenant_id and m.id = c.member_id';

/** Every statement about cards and their history. */
export class CardsRepository {
  /** Throws card.primary_exists when the member has an active primary card. */
  async insert(tx: WriteContext, card: Card): Promise<void> {
    const { id, memberId, primary, status, version, issuedAt } = card;
    const inserted = tx.db.execute(
      `insert into card (tenant_id, id, member_id, is_primary, status, version, issued_at)
       values ($1, $2, $3, $4, $5, $6, $7)`,
      [tx.tenant.id, id, memberId, primary, status, version, toDate(issuedAt)],
    );
    await inserted.catch((error: unknown) => {
      throw violatedConstraint(error) === 'card_one_primary' ? fail('card.primary_exists') : error;
    });
  }

  /** The caller holds the row. */
  update(tx: WriteContext, { id, status, reason, version, revokedAt }: Card): void {
    tx.db.send(
      `update card set status = $3, reason = $4, version = $5, revoked_at = $6 where tenant_id = $1 and id = $2`,
      [tx.tenant.id, id, status, reason, version, revokedAt === null ? null : toDate(revokedAt)],
    );
  }

  remember(tx: WriteContext, event: CardEvent, card: Card): void {
    const at = card.revokedAt ?? card.issuedAt;
    tx.db.send(
      `insert into card_history (tenant_id, id, card_id, version, event, reason, actor_kind, actor_id, at)
       values ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
      [tx.tenant.id, newId(), card.id, card.version, event, card.reason, tx.actor.kind, actorIdOf(tx), toDate(at)],
    );
  }

  async read(tx: ReadContext, id: CardId): Promise<CardRow | undefined> {
    const sql = `select ${columns} from ${source} where c.tenant_id = $1 and c.id = $2`;
    return (await tx.db.query<Stored<CardRow>>(sql, [tx.tenant.id, id])).map(withInstants)[0];
  }

  /** Waits for whoever changes the card now, and holds off the next until the transaction ends. */
  async readForUpdate(tx: WriteContext, id: CardId): Promise<CardRow | undefined> {
    tx.db.send('select from card where tenant_id = $1 and id = $2 for update', [tx.tenant.id, id]);
    return this.read(tx, id);
  }

  /** A member's cards, newest first. */
  async ofMember(tx: ReadContext, memberId: MemberId, most: number): Promise<readonly CardRow[]> {
    const rows = await tx.db.query<Stored<CardRow>>(
      `select ${columns} from ${source} where c.tenant_id = $1 and c.member_id = $2 order by c.id desc limit $3`,
      [tx.tenant.id, memberId, most],
    );
    return rows.map(withInstants);
  }

  /** How many cards a member has had, and how many of them are active. */
  async count(tx: ReadContext, memberId: MemberId): Promise<{ readonly all: number; readonly active: number }> {
    const [row] = await tx.db.query<{ all: number; active: number }>(
      `select count(*)::int as "all", (count(*) filter (where status = 'active'))::int as active
         from card where tenant_id = $1 and member_id = $2`,
      [tx.tenant.id, memberId],
    );
    return row ?? { all: 0, active: 0 };
  }

  /** Oldest first. */
  async history(tx: ReadContext, id: CardId, most: number): Promise<readonly CardHistoryEntry[]> {
    const rows = await tx.db.query<Omit<CardHistoryEntry, 'at'> & { readonly at: Date }>(
      `select version, event, reason, actor_kind as "actorKind", actor_id as "actorId", at
         from card_history where tenant_id = $1 and card_id = $2 order by version limit $3`,
      [tx.tenant.id, id, most],
    );
    return rows.map((row) => ({ ...row, at: row.at.getTime() }));
  }
}

const withInstants = (row: Stored<CardRow>): CardRow => ({
  ...row,
  issuedAt: row.issuedAt.getTime(),
  revokedAt: row.revokedAt?.getTime() ?? null,
});
