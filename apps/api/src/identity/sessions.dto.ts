import { z } from 'zod';
import type { Session } from '#infra/identity';
import { type SessionId, type TenantContext } from '#infra/kernel';
import { allOf, idOf, instantText, utcText } from '../edge/index.js';

const sessionAnswer = z.strictObject({
  id: idOf<SessionId>('session'),
  createdAt: instantText,
  /** To the minute. */
  lastSeenAt: instantText,
  expiresAt: instantText,
  /** The session that asks. */
  current: z.boolean(),
});
/** All of them: nobody has more than 100. */
export const sessionsAnswer = allOf(sessionAnswer);

export const presentSessions = ({ actor }: TenantContext, sessions: readonly Session[]) => ({
  data: sessions.map((session) => ({
    id: session.id,
    createdAt: utcText(session.createdAt),
    lastSeenAt: utcText(session.lastSeenAt),
    expiresAt: utcText(session.expiresAt),
    current: actor.kind === 'user' && actor.sessionId === session.id,
  })),
});
