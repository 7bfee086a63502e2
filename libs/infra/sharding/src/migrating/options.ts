import { setTimeout as sleepFor } from 'node:timers/promises';
import type { Secret } from '#infra/config';
import type { Clock } from '#infra/kernel';
import type { MigrationClass } from './migration.js';

export interface MigratedDatabase {
  readonly name: string;
  /** The app's own url; the migrator connects to the same server and database with the admin's credentials. */
  readonly url: Secret;
}

export interface RolePasswords {
  readonly app: string;
  readonly readOnly: string;
  readonly relay: string;
}

/** How waiting happens; of the machine unless said otherwise. */
export interface Pacing {
  readonly sleep: (ms: number) => Promise<void>;
  /** 0…1. */
  readonly random: () => number;
}

export interface InstallationOptions {
  readonly admin: { readonly user: string; readonly password: Secret };
  readonly directory: MigratedDatabase;
  readonly shards: readonly MigratedDatabase[];
  readonly migrations: { readonly directory: readonly MigrationClass[]; readonly shard: readonly MigrationClass[] };
  readonly clock: Clock;
}

export interface MigratorOptions extends InstallationOptions {
  readonly passwords: RolePasswords;
  /** One line for each step, for the operator's eyes. */
  readonly report: (line: string) => void;
  /** Also removes what only former builds need. In an installation that has nothing yet everything runs anyway. */
  readonly contract?: boolean;
  /** The shard that goes before all others; the one with the fewest tenants unless said otherwise. */
  readonly canary?: string;
  /** How long to wait for another migrator or a mover; 10 minutes unless said otherwise. */
  readonly lockWaitMs?: number;
  readonly pacing?: Partial<Pacing>;
}

export const pacingOf = ({ pacing = {} }: Pick<MigratorOptions, 'pacing'>): Pacing => ({
  sleep: async (ms) => {
    await sleepFor(ms);
  },
  random: Math.random,
  ...pacing,
});
