import type { ResourceId } from './resource.js';

/** Time taken on one lane of one resource, in UTC minutes, half-open. */
export interface Claim {
  readonly resourceId: ResourceId;
  readonly lane: number;
  readonly startMin: number;
  readonly endMin: number;
}

/** The longest claim that the table takes; what is longer is stored in pieces. */
export const claimMaxMin = 1_440;
