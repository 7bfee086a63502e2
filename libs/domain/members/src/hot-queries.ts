import { randomBytes } from 'node:crypto';
import type { HotQuery } from '#infra/sharding';
import type { CardId } from './card.js';
import { CardsRepository } from './cards.repository.js';
import type { MemberId } from './member.js';
import { MembersRepository } from './members.repository.js';

const members = new MembersRepository();
const cards = new CardsRepository();
const tokenBytes = 32;
const page = { limit: 50, after: null };
const lists = 'GET /api/v1/members';

/** What `praxis explain` offers of this domain, and what the tests of plans walk. */
export const memberQueries: readonly HotQuery[] = [
  {
    name: 'members.lookup',
    place: 'shard',
    // A blind index of nothing: whom a plan is for does not change it.
    run: (tx) => members.byToken(tx, [randomBytes(tokenBytes)]),
  },
  { name: 'members.all', place: 'shard', lists, run: (tx) => members.list(tx, {}, page) },
  { name: 'members.by_status', place: 'shard', lists, run: (tx) => members.list(tx, { status: 'active' }, page) },
  {
    name: 'cards.verification',
    place: 'shard',
    pick: 'select id from card where tenant_id = $1 limit 1',
    run: (tx, id: CardId) => cards.read(tx, id),
  },
  {
    name: 'cards.of_member',
    place: 'shard',
    pick: 'select member_id as id from card where tenant_id = $1 limit 1',
    run: (tx, id: MemberId) => cards.ofMember(tx, id, 200),
  },
];
