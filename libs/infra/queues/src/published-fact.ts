import type { Instant, TenantId } from '#infra/kernel';
import type { FactDefinition, Room } from './catalogue.js';
import type { FactRow } from './facts.repository.js';

/** A fact with its place in the tenant's order: `seq` counts 1, 2, 3 … without a gap, and never changes. */
export interface PublishedFact {
  readonly tenantId: TenantId;
  readonly seq: number;
  readonly name: string;
  /** When it was written, by the writer's clock. */
  readonly at: Instant;
  /** What a listener must be allowed to do to be told. */
  readonly permission: string;
  readonly rooms: readonly Room[];
  readonly payload: unknown;
}

/** Where the relay takes facts. It resolves when all of them are there; the same fact may be brought again. */
export interface FactSink {
  /** Facts of any tenants, those of one tenant in the order of their `seq`. */
  publish(facts: readonly PublishedFact[]): Promise<void>;
}

/** What a row announces. One whose payload its own schema no longer reads keeps its place and is told to nobody. */
export function publishedFact(definition: FactDefinition, row: FactRow): PublishedFact {
  const { tenantId, seq, name, at } = row;
  const read = definition.payload.safeParse(row.payload);
  const said = read.success ? { rooms: definition.rooms(read.data), payload: read.data } : { rooms: [], payload: null };
  return { tenantId, seq, name, at: at.getTime(), permission: definition.permission, ...said };
}
