#!/usr/bin/env node
import 'reflect-metadata';
import { ConfigError } from '#infra/config';
import { isAppError } from '#infra/kernel';
import { cacheStatsCommand, cacheWarmCommand } from './cache.js';
import { cdnApplyCommand, cdnPurgeCommand } from './cdn/commands.js';
import { type Command, findCommand, helpText, UsageError } from './command.js';
import { explainCommand } from './explain.js';
import { jobsDeadCommand } from './jobs.js';
import { limitsBlocksCommand, limitsReportCommand, limitsUnblockCommand } from './limits.js';
import { listenCommand } from './listen.js';
import { migrateCommand, shardsInitCommand } from './migrate.js';
import { quotasCommand, tenantsQuotaCommand } from './quotas.js';
import { seedCommand } from './seed.js';
import { rebalanceCommand, shardsAddCommand, shardsDrainCommand, shardsStatusCommand } from './shards.js';
import { tenantsPlanCommand, tenantsResumeCommand, tenantsSuspendCommand } from './tenants-change.js';
import { tenantsCreateCommand } from './tenants-create.js';
import { tenantsCleanCommand, tenantsMoveCommand } from './tenants-move.js';

const commands: readonly Command[] = [
  migrateCommand,
  tenantsCreateCommand,
  tenantsPlanCommand,
  tenantsSuspendCommand,
  tenantsResumeCommand,
  tenantsMoveCommand,
  tenantsCleanCommand,
  tenantsQuotaCommand,
  quotasCommand,
  shardsStatusCommand,
  shardsInitCommand,
  shardsAddCommand,
  shardsDrainCommand,
  rebalanceCommand,
  jobsDeadCommand,
  explainCommand,
  cacheWarmCommand,
  cacheStatsCommand,
  cdnApplyCommand,
  cdnPurgeCommand,
  seedCommand,
  listenCommand,
  limitsBlocksCommand,
  limitsUnblockCommand,
  limitsReportCommand,
];

async function main(args: readonly string[]): Promise<number> {
  const found = findCommand(commands, args);
  if (!found) {
    console.log(helpText(commands));
    return args.length === 0 || args[0] === 'help' || args[0] === '--help' ? 0 : 2;
  }
  try {
    await found.command.run(found.rest);
    // A verb that found something wrong says so without an error.
    return Number(process.exitCode ?? 0);
  } catch (error) {
    console.error(explain(error, found.command));
    return error instanceof UsageError ? 2 : 1;
  }
}

function explain(error: unknown, command: Command): string {
  if (error instanceof UsageError) return `${error.message}\nusage: praxis ${command.usage}`;
  if (error instanceof ConfigError) return error.message;
  if (isAppError(error))
    return `${error.code}: ${error.publicText}${error.options.internal ? ` (${error.message})` : ''}`;
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}

process.exitCode = await main(process.argv.slice(2));
