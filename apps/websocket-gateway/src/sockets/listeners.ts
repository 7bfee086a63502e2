import type { TenantId, UserId } from '#infra/kernel';
import type { Listener } from './listener.js';

const keyOf = ({ tenant, userId }: { readonly tenant: { readonly id: TenantId }; readonly userId: UserId }): string =>
  `${tenant.id}|${userId}`;

/** The connections of this process. */
export class Listeners {
  readonly #bySocket = new Map<string, Listener>();
  readonly #perUser = new Map<string, number>();

  get count(): number {
    return this.#bySocket.size;
  }

  get laggingCount(): number {
    let lagging = 0;
    for (const { reception } of this.#bySocket.values()) if (reception.kind === 'lagging') lagging += 1;
    return lagging;
  }

  all(): IterableIterator<Listener> {
    return this.#bySocket.values();
  }

  of(socketId: string): Listener | undefined {
    return this.#bySocket.get(socketId);
  }

  /** How many connections this user has here. */
  countOf(user: Pick<Listener, 'tenant' | 'userId'>): number {
    return this.#perUser.get(keyOf(user)) ?? 0;
  }

  add(listener: Listener): void {
    this.#bySocket.set(listener.socket.id, listener);
    this.#perUser.set(keyOf(listener), this.countOf(listener) + 1);
  }

  remove(socketId: string): Listener | undefined {
    const listener = this.#bySocket.get(socketId);
    if (listener === undefined) return undefined;
    this.#bySocket.delete(socketId);
    const left = this.countOf(listener) - 1;
    if (left > 0) this.#perUser.set(keyOf(listener), left);
    else this.#perUser.delete(keyOf(listener));
    return listener;
  }
}
