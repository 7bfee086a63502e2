import { setTimeout as sleep } from 'node:timers/promises';
import type { Run, RunTenant } from '../stack.js';
import { sql } from '../wholeness.js';
import { LiveSocket } from './live-socket.js';

/** One delivery of one fact to one socket. */
interface Delivery {
  readonly seq: number;
  readonly atMs: number;
}

/** When a booking's fact was written, and when its transaction was committed, in milliseconds since 1970. */
export interface BookedFact {
  readonly seq: number;
  readonly appointmentId: string;
  readonly writtenMs: number;
  readonly committedMs: number;
}

/** Sockets opened at a time. */
const openBatch = 50;
const catchUpTimeoutMs = 60_000;
const pollMs = 100;

/** All sockets of one tenant, and what they heard. */
export class Crowd {
  readonly #sockets: LiveSocket[] = [];
  readonly #deliveries: Delivery[] = [];
  readonly #timesHeard = new Map<string, number>();

  private constructor(readonly tenant: RunTenant) {}

  static async open(url: string, tenant: RunTenant, token: string, size: number): Promise<Crowd> {
    const crowd = new Crowd(tenant);
    const hearing = {
      heard: ({ seq, appointmentId, atMs }: { seq: number; appointmentId: string | undefined; atMs: number }) => {
        crowd.#deliveries.push({ seq, atMs });
        if (appointmentId !== undefined)
          crowd.#timesHeard.set(appointmentId, (crowd.#timesHeard.get(appointmentId) ?? 0) + 1);
      },
    };
    for (let opened = 0; opened < size; opened += openBatch) {
      const batch = Array.from(
        { length: Math.min(openBatch, size - opened) },
        () => new LiveSocket(url, token, hearing),
      );
      crowd.#sockets.push(...batch);
      await Promise.all(batch.map((socket) => socket.opened));
    }
    return crowd;
  }

  get size(): number {
    return this.#sockets.length;
  }

  get connected(): number {
    return this.#sockets.filter(({ isConnected }) => isConnected).length;
  }

  get deliveries(): readonly Delivery[] {
    return this.#deliveries;
  }

  /** Of each fact, the one to the socket that heard it first. */
  get firstDeliveries(): readonly Delivery[] {
    const first = new Map<number, Delivery>();
    for (const each of this.#deliveries)
      if (each.atMs < (first.get(each.seq)?.atMs ?? Infinity)) first.set(each.seq, each);
    return [...first.values()];
  }

  /** Resolves when every socket is connected and has heard the newest fact, or when the time for it is over. */
  async caughtUp(newestSeq: number): Promise<boolean> {
    const endsAt = performance.now() + catchUpTimeoutMs;
    while (performance.now() < endsAt) {
      if (this.#sockets.every(({ isConnected, lastSeq }) => isConnected && lastSeq === newestSeq)) return true;
      await sleep(pollMs);
    }
    return false;
  }

  sum(of: 'missed' | 'twice' | 'resyncs' | 'reconnects'): number {
    return this.#sockets.reduce((sum, socket) => sum + socket[of], 0);
  }

  /** Bookings of these that some socket did not hear, or that were heard more often than there are sockets. */
  unevenlyHeard(appointmentIds: Iterable<string>): number {
    return [...appointmentIds].filter((id) => this.#timesHeard.get(id) !== this.size).length;
  }

  /** Deliveries of facts about visits that are none of these. */
  heardBeside(appointmentIds: ReadonlySet<string>): number {
    return [...this.#timesHeard].reduce((sum, [id, times]) => (appointmentIds.has(id) ? sum : sum + times), 0);
  }

  /** Deliveries of facts about these visits. */
  heardOf(appointmentIds: ReadonlySet<string>): number {
    return [...this.#timesHeard].reduce((sum, [id, times]) => (appointmentIds.has(id) ? sum + times : sum), 0);
  }

  close(): void {
    for (const socket of this.#sockets) socket.close();
  }
}

/** Every booking of the tenant; the servers must keep commit times. A visit's row is written once, when it is booked. */
export async function bookedFacts(own: Run, tenant: RunTenant): Promise<readonly BookedFact[]> {
  return sql<BookedFact>(
    { ...own, ...tenant },
    `select o.seq::float8 as seq, o.key as "appointmentId", extract(epoch from o.created_at)::float8 * 1000 as "writtenMs",
            extract(epoch from pg_xact_commit_timestamp(a.xmin))::float8 * 1000 as "committedMs"
       from outbox o join appointment a on a.tenant_id = o.tenant_id and a.id = o.key::uuid
      where o.tenant_id = $1 and o.kind = 'fact' and o.name = 'appointment.booked' and o.seq is not null
      order by o.seq`,
    [tenant.tenantId],
  );
}
