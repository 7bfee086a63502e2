import { parseConfig } from '#infra/config';
import { systemClock } from '#infra/kernel';
import { directoryName, migrate, shardingConfig } from '#infra/sharding';
import { directoryMigrations, shardMigrations } from '#migrations';
import { operatorConfig } from './cli.config.js';
import type { Command } from './command.js';

const passwordIn = (url: string): string => decodeURIComponent(new URL(url).password);

export const migrateCommand: Command = {
  words: 'migrate',
  usage: 'migrate',
  summary: 'bring the directory and every shard to this build’s schema',
  async run() {
    const { sharding, operator } = parseConfig({ sharding: shardingConfig, operator: operatorConfig });
    const shards = sharding.shardUrls.flatMap((url, n) => (url ? [{ name: `shard-${n + 1}`, url }] : []));
    await migrate({
      admin: { user: operator.adminUser, password: operator.adminPassword },
      directory: { name: directoryName, url: sharding.directoryUrl },
      shards,
      migrations: { directory: directoryMigrations, shard: shardMigrations },
      passwords: {
        app: passwordIn(sharding.directoryUrl.reveal()),
        readOnly: operator.readOnlyPassword.reveal(),
        relay: sharding.relayPassword.reveal(),
      },
      clock: systemClock,
      report: (line) => console.log(line),
    });
  },
};
