#!/usr/bin/env node
import 'reflect-metadata';
import { ConfigError } from '#infra/config';
import { isAppError } from '#infra/kernel';
import { type Command, findCommand, helpText, UsageError } from './command.js';
import { listenCommand } from './listen.js';
import { migrateCommand } from './migrate.js';
import { seedCommand } from './seed.js';
import { rebalanceCommand, shardsAddCommand, shardsDrainCommand, shardsStatusCommand } from './shards.js';
import { tenantsCreateCommand } from './tenants-create.js';
import { tenantsCleanCommand, tenantsMoveCommand } from './tenants-move.js';

const commands: readonly Command[] = [
  migrateCommand,
  tenantsCreateCommand,
  tenantsMoveCommand,
  tenantsCleanCommand,
  shardsStatusCommand,
  shardsAddCommand,
  shardsDrainCommand,
  rebalanceCommand,
  seedCommand,
  listenCommand,
];

async function main(args: readonly string[]): Promise<number> {
  const found = findCommand(commands, args);
  if (!found) {
    console.log(helpText(commands));
    return args.length === 0 || args[0] === 'help' || args[0] === '--help' ? 0 : 2;
  }
  try {
    await found.command.run(found.rest);
    return 0;
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
