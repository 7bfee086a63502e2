import { type Id, type Instant, newId } from '#infra/kernel';
import type { AppointmentId } from './appointment.js';
import { type Claim, claimMaxMin } from './claim.js';
import type { ResourceId } from './resource.js';

export type BlockId = Id<'block'>;

export const blockReasons = ['time_off', 'maintenance', 'meeting', 'other'] as const;
export type BlockReason = (typeof blockReasons)[number];

/** Time at which a resource serves nobody, all its lanes, in UTC minutes, half-open. */
export interface Block {
  readonly id: BlockId;
  readonly resourceId: ResourceId;
  readonly reason: BlockReason;
  readonly startMin: number;
  readonly endMin: number;
  readonly createdAt: Instant;
}
export type NewBlock = Pick<Block, 'reason' | 'startMin' | 'endMin'>;

export interface BlockKey {
  readonly startMin: number;
  readonly id: BlockId;
}

/** What stands in the way of a block. */
export interface Obstacle {
  readonly kind: 'appointment' | 'block';
  readonly id: AppointmentId | BlockId;
  readonly startMin: number;
  readonly endMin: number;
}

/** The most claims (days × lanes) that one block is stored as. */
export const blockMaxPieces = 4_000;

/** One piece for each lane and each day or part of a day. */
export function piecesOf(
  resourceId: ResourceId,
  lanes: readonly number[],
  { startMin, endMin }: NewBlock,
): readonly Claim[] {
  const days = Math.ceil((endMin - startMin) / claimMaxMin);
  return lanes.flatMap((lane) =>
    Array.from({ length: days }, (_, day) => ({
      resourceId,
      lane,
      startMin: startMin + day * claimMaxMin,
      endMin: Math.min(endMin, startMin + (day + 1) * claimMaxMin),
    })),
  );
}

export const newBlock = (resourceId: ResourceId, block: NewBlock, createdAt: Instant): Block => ({
  ...block,
  id: newId<BlockId>(),
  resourceId,
  createdAt,
});
