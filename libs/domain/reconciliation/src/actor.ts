import type { Context } from '#infra/kernel';

/** Who did it, as rows remember it: a user's id, or the name of our own code. */
export const actorIdOf = ({ actor }: Context): string =>
  actor.kind === 'user' ? actor.id : actor.kind === 'system' ? actor.name : 'anonymous';
