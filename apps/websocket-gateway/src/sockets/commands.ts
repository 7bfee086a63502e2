import { z } from 'zod';
import type { Clock } from '#infra/kernel';
import { may, type TenantContext, toDate } from '#infra/kernel';
import type { Room } from '#infra/queues';
import type { Log } from '#infra/telemetry';
import type { Channels } from '../facts/channels.js';
import { fail } from '../gateway.errors.js';
import type { GatewayMetrics } from '../gateway.metrics.js';
import type { Presence } from '../sessions/presence.js';
import type { SocketSessions } from '../sessions/socket-sessions.js';
import type { Listener } from './listener.js';
import type { Answer } from './protocol.js';
import { isOurs, refusalOf } from './refusal.js';

/** Locations and appointments that one connection follows. */
export const followedMax = 100;
const commandDeadlineMs = 5_000;
const tokenMaxChars = 2_048;
/** Who may see who of the tenant is connected. */
const presencePermission = 'sessions.manage';

const ids = z.array(z.uuid().toLowerCase()).max(followedMax).default([]);
const rooms = { tenant: z.literal(true).optional(), locations: ids, appointments: ids };

const commandShape = z.discriminatedUnion('do', [
  z.strictObject({ do: z.literal('follow'), ...rooms }),
  z.strictObject({ do: z.literal('unfollow'), ...rooms }),
  z.strictObject({ do: z.literal('reauthenticate'), token: z.string().max(tokenMaxChars) }),
  z.strictObject({ do: z.literal('presence') }),
]);
type Command = z.infer<typeof commandShape>;
type Wish = Extract<Command, { readonly do: 'follow' | 'unfollow' }>;

interface CommandsParts {
  readonly channels: Channels;
  readonly sessions: SocketSessions;
  readonly presence: Presence;
  readonly metrics: GatewayMetrics;
  readonly clock: Clock;
  readonly log: Log;
}

/** What a client may ask of its connection. Rooms are always under the connection's own tenant. */
export class Commands {
  constructor(private readonly parts: CommandsParts) {}

  /** Never rejects: whatever goes wrong is the answer. */
  async run(listener: Listener, body: unknown): Promise<Answer> {
    const ctx = listener.context(this.parts.clock.now() + commandDeadlineMs);
    const parsed = commandShape.safeParse(body);
    const name = parsed.success ? parsed.data.do : 'unknown';
    try {
      if (!parsed.success) throw fail('socket.command_invalid', { mistakes: mistakesOf(parsed.error) });
      const answer = await this.#run(ctx, listener, parsed.data);
      this.parts.metrics.command(name, 'ok');
      return { ok: true, ...answer };
    } catch (error) {
      this.parts.metrics.command(name, 'refused');
      const { requestId } = ctx;
      if (isOurs(error)) this.parts.log.error('socket.command_failed', { requestId, action: name, error });
      return { ok: false, ...refusalOf(error, requestId) };
    }
  }

  #run(ctx: TenantContext, listener: Listener, command: Command): Promise<object> | object {
    switch (command.do) {
      case 'follow':
        return this.#follow(listener, command);
      case 'unfollow':
        return this.#unfollow(listener, command);
      case 'reauthenticate':
        return this.#reauthenticate(listener, command.token);
      case 'presence':
        if (!may(ctx, presencePermission)) throw fail('socket.forbidden');
        return this.parts.presence.list(ctx.tenant.id);
    }
  }

  #follow(listener: Listener, wish: Wish): object {
    const followed = new Map([...listener.followed, ...roomsOf(wish)]);
    if (followed.size > followedMax) throw fail('socket.follow_limit');
    listener.isWide ||= wish.tenant === true;
    return this.#place(listener, followed);
  }

  #unfollow(listener: Listener, wish: Wish): object {
    const followed = new Map(listener.followed);
    for (const [key] of roomsOf(wish)) followed.delete(key);
    if (wish.tenant === true) listener.isWide = false;
    return this.#place(listener, followed);
  }

  #place(listener: Listener, followed: ReadonlyMap<string, Room>): object {
    listener.followed = followed;
    this.parts.channels.of(listener)?.place(listener);
    return { tenant: listener.isWide, followed: followed.size };
  }

  /** The same user and session, with a token that lives longer. It is no use of the session. */
  async #reauthenticate(listener: Listener, token: string): Promise<object> {
    const { sessions } = this.parts;
    const { sub, sid, tid, exp } = sessions.claimsOf(token);
    const isSame = sub === listener.userId && sid === listener.sessionId && tid === listener.tenant.id;
    if (!isSame) throw fail('socket.other_session');
    const standing = (await sessions.alive(listener.tenant, [sid])).get(sid);
    if (standing?.userId !== listener.userId) throw fail('socket.session_ended');
    listener.expiresAt = Math.max(listener.expiresAt, exp * 1_000);
    return { endsAt: toDate(listener.expiresAt).toISOString() };
  }
}

function roomsOf({ locations, appointments }: Wish): [key: string, room: Room][] {
  const keyed = (of: 'location' | 'appointment', id: string): [string, Room] => [`${of}:${id}`, { of, id }];
  return [...locations.map((id) => keyed('location', id)), ...appointments.map((id) => keyed('appointment', id))];
}

const mistakesOf = ({ issues }: z.ZodError) =>
  issues
    .slice(0, 10)
    .map(({ path, code }) => ({ pointer: path.map((step) => `/${String(step)}`).join(''), detail: code }));
