import { Foundation1795219200001 as DirectoryFoundation1795219200001 } from './directory/1795219200001-foundation.js';
import { Identity1795219200002 } from './directory/1795219200002-identity.js';
import { Moves1795219200003 } from './directory/1795219200003-moves.js';
import { Limits1795219200004 } from './directory/1795219200004-limits.js';
import { Load1795219200005 } from './directory/1795219200005-load.js';
import { Quotas1795219200006 } from './directory/1795219200006-quotas.js';
import { Migrating1795219200007 } from './directory/1795219200007-migrating.js';
import { DeadJobs1795219200008 } from './directory/1795219200008-dead-jobs.js';
import { Foundation1795219200001 as ShardFoundation1795219200001 } from './shard/1795219200001-foundation.js';
import { Appointments1795219200002 } from './shard/1795219200002-appointments.js';
import { Patients1795219200003 } from './shard/1795219200003-patients.js';
import { Members1795219200004 } from './shard/1795219200004-members.js';
import { Facts1795219200005 } from './shard/1795219200005-facts.js';
import { Reconciliation1795219200006 } from './shard/1795219200006-reconciliation.js';
import { Moves1795219200007 } from './shard/1795219200007-moves.js';
import { ReplicaHeartbeat1795219200008 } from './shard/1795219200008-replica-heartbeat.js';
import { Quotas1795219200009 } from './shard/1795219200009-quotas.js';
import { QueryCare1795219200011 } from './shard/1795219200011-query-care.js';
import { Figures1795219200012 } from './shard/1795219200012-figures.js';
import { DeadJobs1795219200013 } from './shard/1795219200013-dead-jobs.js';
import { PublicCatalogue1795219200014 } from './shard/1795219200014-public-catalogue.js';

/** In the order in which they run. */
export const directoryMigrations = [
  DirectoryFoundation1795219200001,
  Identity1795219200002,
  Moves1795219200003,
  Limits1795219200004,
  Load1795219200005,
  Quotas1795219200006,
  Migrating1795219200007,
  DeadJobs1795219200008,
];
export const shardMigrations = [
  ShardFoundation1795219200001,
  Appointments1795219200002,
  Patients1795219200003,
  Members1795219200004,
  Facts1795219200005,
  Reconciliation1795219200006,
  Moves1795219200007,
  ReplicaHeartbeat1795219200008,
  Quotas1795219200009,
  QueryCare1795219200011,
  Figures1795219200012,
  DeadJobs1795219200013,
  PublicCatalogue1795219200014,
];

/** The versions of a database's schema that this build works with: the 13 digits of a migration's name. */
export interface SchemaWindow {
  readonly min: number;
  readonly max: number;
}

const versionOf = (migration: { readonly name: string }): number => Number(migration.name.slice(-13));
const upTo = (migrations: readonly { readonly name: string }[], min: number): SchemaWindow => ({
  min,
  max: Math.max(...migrations.map(versionOf)),
});

export const schemaWindows = {
  directory: upTo(directoryMigrations, 1795219200006),
  shard: upTo(shardMigrations, 1795219200014),
};
