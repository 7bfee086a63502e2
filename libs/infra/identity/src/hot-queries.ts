import { randomBytes } from 'node:crypto';
import { newId, type SessionId, systemClock, type UserId } from '#infra/kernel';
import type { HotQuery } from '#infra/sharding';
import { SessionsRepository } from './sessions.repository.js';
import { UsersRepository } from './users.repository.js';

const users = new UsersRepository();
const sessions = new SessionsRepository();
const tokenBytes = 32;

/** What `praxis explain` offers of users and sessions, and what the tests of plans walk. */
export const identityQueries: readonly HotQuery[] = [
  {
    name: 'users.all',
    place: 'directory',
    lists: 'GET /api/v1/users',
    run: (tx) => users.page(tx, { limit: 50, after: { id: newId<UserId>() } }),
  },
  {
    name: 'users.by_email',
    place: 'directory',
    run: (tx) => users.byEmail(tx, [randomBytes(tokenBytes)]),
  },
  {
    name: 'sessions.standing',
    place: 'directory',
    pick: 'select id from user_session where tenant_id = $1 limit 1',
    run: (tx, id: SessionId) => sessions.standing(tx, id, systemClock.now()),
  },
  {
    name: 'sessions.open',
    place: 'directory',
    pick: 'select id from user_account where tenant_id = $1 limit 1',
    run: (tx, id: UserId) => sessions.openOf(tx, id, systemClock.now()),
  },
];
