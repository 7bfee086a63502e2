import type { Id } from '#infra/kernel';

/** Anything that a visit takes hold of: who gives it, where, and with what. */
export type ResourceId = Id<'resource'>;

export const resourceKinds = ['provider', 'room', 'device'] as const;
export type ResourceKind = (typeof resourceKinds)[number];
