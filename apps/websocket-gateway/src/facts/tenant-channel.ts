import { type Clock, type Instant, newId, type Tenant, type TenantContext, toDate } from '#infra/kernel';
import type { PublishedFact, Room } from '#infra/queues';
import { type FactFeed, type FactLog, type Following, roomName } from '#infra/realtime';
import type { GatewayMetrics, ResyncCause } from '../gateway.metrics.js';
import { gone, type Listener, live } from '../sockets/listener.js';
import { outflowOf } from '../sockets/outflow.js';
import type { FactWord, GatewayServer } from '../sockets/protocol.js';
import { replayAfter } from './replay.js';
import { hasDrained, hold, isSlow, keptInOrder, lagFrom } from './slow-listener.js';

/** Facts after which the queues of the listeners are looked at, beside the watch that looks a few times a second. */
const factsBetweenLooks = 32;
/** Facts that may come while a listener catches up; with more it reads everything anew. */
const backlogMax = 500;
const readDeadlineMs = 5_000;

export interface ChannelParts {
  /** Known once Nest has made it. */
  readonly server: () => GatewayServer;
  readonly feed: FactFeed;
  readonly factLog: FactLog;
  /** Every permission that some fact asks for. */
  readonly permissions: readonly string[];
  readonly metrics: GatewayMetrics;
  readonly clock: Clock;
}

const wholeTenant: Room = { of: 'tenant' };

/**
 * The facts of one tenant on this process, and who listens to them here. What it is told is this tenant's alone, and it
 * knows no socket of another: nothing that goes wrong inside can cross.
 */
export class TenantChannel {
  readonly #listeners = new Set<Listener>();
  readonly #rooms = new Map<string, Set<Listener>>();
  readonly #waiting = new Set<Listener>();
  readonly #opened: Promise<Following>;
  #position = 0;
  #factsSinceLook = 0;

  constructor(
    private readonly tenant: Tenant,
    private readonly parts: ChannelParts,
  ) {
    this.#opened = this.#open();
    this.#opened.catch(() => undefined);
  }

  get size(): number {
    return this.#listeners.size;
  }

  get listeners(): ReadonlySet<Listener> {
    return this.#listeners;
  }

  /** Sends what was missed, then `ready`, then everything as it happens. Rejects where the facts cannot be read. */
  async join(listener: Listener): Promise<void> {
    this.#listeners.add(listener);
    this.#waiting.add(listener);
    this.place(listener);
    await this.#opened;
    const { lastSeq } = listener;
    const position = this.#position;
    if (lastSeq === undefined) return this.#settle(listener, position, true);
    const replay = await replayAfter(this.parts.factLog, this.#context(), lastSeq, position);
    if (listener.reception.kind === 'gone') return;
    for (const fact of replay.facts) this.#sendIfTold(listener, fact);
    if (!replay.isComplete) this.#resync(listener, replay.seen, 'resume');
    this.#settle(listener, replay.seen, replay.isComplete);
  }

  leave(listener: Listener): void {
    listener.reception = gone;
    this.#unplace(listener);
    this.#listeners.delete(listener);
    this.#waiting.delete(listener);
  }

  /** Into the rooms that its permissions and its wishes give it now; out of all others. */
  place(listener: Listener): void {
    this.#unplace(listener);
    const { id } = this.tenant;
    const rooms: Room[] = [{ of: 'user', id: listener.userId }, ...listener.followed.values()];
    if (listener.isWide) rooms.push(wholeTenant);
    const held = this.parts.permissions.filter((permission) => listener.permissions.has(permission));
    listener.rooms = held.flatMap((permission) => rooms.map((room) => roomName(id, room, permission)));
    for (const name of listener.rooms) {
      const members = this.#rooms.get(name) ?? new Set();
      this.#rooms.set(name, members.add(listener));
    }
  }

  /** Makes a slow listener wait, lets one that has read again go on; false for one that must go. */
  look(listener: Listener, now: Instant): boolean {
    const { reception } = listener;
    if (reception.kind !== 'live' && reception.kind !== 'lagging') return true;
    const outflow = outflowOf(listener.socket);
    if (reception.kind === 'live') {
      if (isSlow(outflow)) this.#wait(listener, lagFrom(outflow, now));
      return true;
    }
    if (!hasDrained(outflow)) return hold(reception, outflow, now);
    this.#goOn(listener, reception.newest);
    return true;
  }

  async close(): Promise<void> {
    const following = await this.#opened.catch(() => undefined);
    following?.stop();
  }

  async #open(): Promise<Following> {
    const following = await this.parts.feed.follow(this.#context(), (fact) => this.#hear(fact));
    this.#position = Math.max(this.#position, following.position);
    return following;
  }

  #hear(fact: PublishedFact): void {
    const { metrics, clock, server } = this.parts;
    if (fact.seq > this.#position + 1) this.#admitLoss(fact.seq - 1);
    this.#position = fact.seq;
    metrics.fact(clock.now() - fact.at);
    const ids: string[] = [];
    for (const listener of this.#told(fact)) {
      if (listener.reception.kind === 'live') ids.push(listener.socket.id);
      else this.#keep(listener, fact);
    }
    // Each socket is alone in the room of its own id: one packet, made once, for exactly these.
    if (ids.length > 0) server().local.to(ids).emit('fact', wordOf(fact));
    metrics.emitted(ids.length);
    this.#promote();
    this.#lookAtAll();
  }

  /** Facts up to `seq` are gone before anybody was told them. Who lags is to read everything anew in any case. */
  #admitLoss(seq: number): void {
    for (const listener of this.#listeners) {
      const { reception } = listener;
      if (reception.kind === 'catching_up') reception.isWhole = false;
      else if (reception.kind === 'live' || (reception.kind === 'ahead' && reception.seen < seq))
        this.#resync(listener, seq, 'gone');
    }
  }

  /** Those in the rooms of the fact, each once. What concerns a user alone is not told to the whole tenant. */
  #told({ rooms, permission }: PublishedFact): ReadonlySet<Listener> {
    const isWide = rooms.some(({ of }) => of !== 'user') && !rooms.some(({ of }) => of === 'tenant');
    const named = isWide ? [wholeTenant, ...rooms] : rooms;
    const found = named.flatMap((room) => this.#rooms.get(roomName(this.tenant.id, room, permission)) ?? []);
    const [only = nobody, ...others] = found;
    return others.length === 0 ? only : new Set(found.flatMap((members) => [...members]));
  }

  /** A fact for a listener that is not live. */
  #keep(listener: Listener, fact: PublishedFact): void {
    const { reception } = listener;
    switch (reception.kind) {
      case 'catching_up':
        if (reception.facts.length < backlogMax) reception.facts.push(fact);
        else reception.isWhole = false;
        return;
      case 'ahead':
        if (fact.seq > reception.seen) this.#send(listener, fact);
        return;
      case 'lagging':
        keptInOrder(reception.newest, fact);
        return;
      default:
        return;
    }
  }

  /** What happened while it caught up, then `ready`, then live, in one step that nothing comes between. */
  #settle(listener: Listener, seen: number, isComplete: boolean): void {
    if (listener.reception.kind !== 'catching_up') return;
    const { facts, isWhole } = listener.reception;
    if (isWhole) for (const fact of facts) if (fact.seq > seen) this.#send(listener, fact);
    const reached = Math.max(seen, this.#position);
    if (!isWhole) this.#resync(listener, reached, 'resume');
    const resumed = listener.lastSeq !== undefined && isComplete && isWhole;
    const endsAt = toDate(listener.expiresAt).toISOString();
    listener.socket.emit('ready', { seq: reached, resumed, endsAt });
    if (reached <= this.#position) this.#goLive(listener);
    else listener.reception = { kind: 'ahead', seen: reached };
  }

  /** Those that were ahead of this process until now. */
  #promote(): void {
    for (const listener of this.#waiting) {
      const { reception } = listener;
      if (reception.kind === 'ahead' && reception.seen <= this.#position) this.#goLive(listener);
    }
  }

  #goLive(listener: Listener): void {
    listener.reception = live;
    this.#waiting.delete(listener);
  }

  #wait(listener: Listener, reception: Listener['reception']): void {
    listener.reception = reception;
    this.#waiting.add(listener);
  }

  #goOn(listener: Listener, newest: ReadonlyMap<string, PublishedFact>): void {
    for (const fact of newest.values()) this.#send(listener, fact);
    this.#resync(listener, this.#position, 'slow');
    this.#goLive(listener);
  }

  #lookAtAll(): void {
    this.#factsSinceLook += 1;
    if (this.#factsSinceLook < factsBetweenLooks) return;
    this.#factsSinceLook = 0;
    const now = this.parts.clock.now();
    for (const listener of this.#listeners) if (listener.reception.kind === 'live') this.look(listener, now);
  }

  #sendIfTold(listener: Listener, fact: PublishedFact): void {
    if (this.#told(fact).has(listener)) this.#send(listener, fact);
  }

  #send(listener: Listener, fact: PublishedFact): void {
    listener.socket.emit('fact', wordOf(fact));
    this.parts.metrics.emitted(1);
  }

  #resync(listener: Listener, seq: number, cause: ResyncCause): void {
    listener.socket.emit('resync', { seq });
    this.parts.metrics.resync(cause);
  }

  #unplace(listener: Listener): void {
    for (const name of listener.rooms) {
      const members = this.#rooms.get(name);
      members?.delete(listener);
      if (members?.size === 0) this.#rooms.delete(name);
    }
    listener.rooms = [];
  }

  #context(): TenantContext {
    return {
      requestId: newId(),
      actor: { kind: 'system', name: 'websocket-gateway' },
      tenant: this.tenant,
      deadline: this.parts.clock.now() + readDeadlineMs,
    };
  }
}

const nobody: ReadonlySet<Listener> = new Set();

const wordOf = ({ seq, name, at, payload }: PublishedFact): FactWord => ({
  seq,
  name,
  at: toDate(at).toISOString(),
  payload,
});
