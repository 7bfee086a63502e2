import { parseArgs } from 'node:util';
import { parseConfig } from '#infra/config';
import { systemClock } from '#infra/kernel';
import {
  directoryName,
  type InstallationOptions,
  type MigrationStatus,
  migrate,
  migrationStatus,
  registerShards,
  shardingConfig,
} from '#infra/sharding';
import { directoryMigrations, shardMigrations } from '#migrations';
import { operatorConfig } from './cli.config.js';
import { type Command, UsageError } from './command.js';
import { planLines, statusLines } from './migrate-report.js';

export const migrateCommand: Command = {
  words: 'migrate',
  usage: 'migrate [--canary SHARD] [--contract] [--dry-run | --status] [--json]',
  summary:
    'bring the directory and every shard to this build’s schema, one shard first; --contract: also remove what only former builds need',
  async run(args) {
    const wanted = read(args);
    const { installation, passwords } = settings();
    const { canary, contract } = wanted;
    const canaryOption = canary === undefined ? {} : { canary };
    if (wanted.status || wanted['dry-run']) {
      const status = await migrationStatus({ ...installation, ...canaryOption });
      show(status, wanted.status ? statusLines(status) : planLines(status, contract), wanted.json);
      return;
    }
    const report = (line: string) => console.log(line);
    await migrate({ ...installation, ...canaryOption, contract, passwords, report });
  },
};

export const shardsInitCommand: Command = {
  words: 'shards init',
  usage: 'shards init',
  summary:
    'tell the directory of every shard that is configured, as `migrate` does in the end; again, it changes nothing',
  async run(args) {
    if (args.length > 0) throw new UsageError('it takes no options');
    const { installation } = settings();
    const registered = new Set(await registerShards(installation));
    for (const { name } of installation.shards)
      console.log(`${name}: ${registered.has(name) ? 'registered' : 'no change'}`);
  },
};

function settings() {
  const { sharding, operator } = parseConfig({ sharding: shardingConfig, operator: operatorConfig });
  const installation: InstallationOptions = {
    admin: { user: operator.adminUser, password: operator.adminPassword },
    directory: { name: directoryName, url: sharding.directoryUrl },
    shards: sharding.shardUrls.flatMap((url, n) => (url ? [{ name: `shard-${n + 1}`, url }] : [])),
    migrations: { directory: directoryMigrations, shard: shardMigrations },
    clock: systemClock,
  };
  const passwords = {
    app: passwordIn(sharding.directoryUrl.reveal()),
    readOnly: operator.readOnlyPassword.reveal(),
    relay: sharding.relayPassword.reveal(),
  };
  return { installation, passwords };
}

const passwordIn = (url: string): string => decodeURIComponent(new URL(url).password);

/** Exit code 1 where something failed or is away, for scripts that ask before they roll out. */
function show(status: MigrationStatus, lines: readonly string[], json: boolean): void {
  for (const line of json ? [JSON.stringify(status)] : lines) console.log(line);
  if (status.databases.some(({ error, step }) => error !== null || step?.state === 'failed')) process.exitCode = 1;
}

function read(args: readonly string[]) {
  const flag = { type: 'boolean', default: false } as const;
  const options = { canary: { type: 'string' }, contract: flag, 'dry-run': flag, status: flag, json: flag } as const;
  try {
    const { values } = parseArgs({ args: [...args], options });
    if (values.status && values['dry-run']) throw new UsageError('either --status or --dry-run');
    return values;
  } catch (error) {
    throw error instanceof UsageError ? error : new UsageError(error instanceof Error ? error.message : 'options');
  }
}
