import { Injectable } from '@nestjs/common';
import { type Clock, newId } from '#infra/kernel';
import type { WriteContext } from '#infra/sharding';
import type { Catalogue, OutboxEntry } from './catalogue.js';
import type { Nudge } from './nudge.js';
import { OutboxRepository } from './outbox.repository.js';

/** Facts to announce and jobs to do, written in the transaction of their cause: a rollback takes them back. */
@Injectable()
export class Outbox {
  readonly #rows = new OutboxRepository();

  constructor(
    private readonly catalogue: Catalogue,
    private readonly nudge: Nudge,
    private readonly clock: Clock,
  ) {}

  /**
   * One INSERT that travels with the transaction's other statements; nobody needs to wait for it. What is not in the
   * catalogue or does not fit its schema throws at once. Facts belong to the tenant's shard: only there they are numbered.
   */
  append(tx: WriteContext, entry: OutboxEntry): Promise<void> {
    const { kind, name, key } = entry;
    const payloadJson = this.catalogue.payloadOf(entry);
    this.#rows.insert(tx, { id: newId(), kind, name, key, payloadJson, at: this.clock.now() });
    tx.afterCommit(() => this.nudge.soon(kind));
    return Promise.resolve();
  }
}
