import type { ErrorOptions } from '#infra/kernel';
import { fail } from './appointments.errors.js';

type Noun = 'location' | 'service' | 'resource';

interface Versioned {
  readonly id: string;
  readonly version: number;
}

/** What the caller read is what is there: else 404, or 412 with the version that is. */
export function expectVersion<T extends Versioned>(noun: Noun, current: T | undefined, expectedVersion: number): T {
  if (current === undefined) throw fail(`${noun}.not_found`);
  if (current.version !== expectedVersion) throw fail(`${noun}.version_conflict`, staleOptions(current));
  return current;
}

export const staleOptions = ({ id, version }: Versioned): ErrorOptions => ({
  internal: `${id} is at version ${version}`,
  extra: { currentVersion: version },
});

/** The next version of a thing, with those fields that the changes name. */
export function nextVersion<T extends Versioned>(current: T, changes: Partial<Omit<T, 'id' | 'version'>>): T {
  const named = Object.entries(changes).filter(([, value]) => value !== undefined);
  return { ...current, ...Object.fromEntries(named), version: current.version + 1 };
}
