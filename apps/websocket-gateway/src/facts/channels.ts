import type { TenantId } from '#infra/kernel';
import type { Listener } from '../sockets/listener.js';
import { type ChannelParts, TenantChannel } from './tenant-channel.js';

/** The tenants that somebody here listens to; each is followed as long as that is so. */
export class Channels {
  readonly #open = new Map<TenantId, TenantChannel>();

  constructor(private readonly parts: ChannelParts) {}

  get count(): number {
    return this.#open.size;
  }

  all(): IterableIterator<[TenantId, TenantChannel]> {
    return this.#open.entries();
  }

  of(listener: Listener): TenantChannel | undefined {
    return this.#open.get(listener.tenant.id);
  }

  /** Rejects where the facts of the tenant cannot be read. */
  async join(listener: Listener): Promise<void> {
    const channel = this.of(listener) ?? new TenantChannel(listener.tenant, this.parts);
    this.#open.set(listener.tenant.id, channel);
    await channel.join(listener);
  }

  async leave(listener: Listener): Promise<void> {
    const channel = this.of(listener);
    channel?.leave(listener);
    if (channel === undefined || channel.size > 0) return;
    this.#open.delete(listener.tenant.id);
    await channel.close();
  }
}
