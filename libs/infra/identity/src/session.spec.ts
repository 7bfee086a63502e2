import { newId, type SessionId, type UserId } from '#infra/kernel';
import { isAlive, type Session, seenEveryMs } from './session.js';

const start = Date.parse('2026-12-01T09:00:00Z');
const minute = 60_000;
const session: Session = {
  id: newId<SessionId>(),
  userId: newId<UserId>(),
  createdAt: start,
  lastSeenAt: start,
  expiresAt: start + 12 * 60 * minute,
  idleMs: 15 * minute,
  revokedAt: null,
};

describe('a session', () => {
  it('outlives its idle limit by no more than the grain of what is written down', () => {
    expect(isAlive(session, start + 15 * minute)).toBe(true);
    expect(isAlive(session, start + 15 * minute + seenEveryMs)).toBe(false);
  });

  it('ends 12 hours after the login, however busy it is', () => {
    const busy = { ...session, lastSeenAt: session.expiresAt - 1 };
    expect(isAlive(busy, session.expiresAt - 1)).toBe(true);
    expect(isAlive(busy, session.expiresAt)).toBe(false);
  });

  it('ends when it is revoked', () => {
    expect(isAlive({ ...session, revokedAt: start }, start)).toBe(false);
  });
});
