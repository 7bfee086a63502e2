import { parseArgs } from 'node:util';
import { Warmth } from '#infra/cache';
import { parseConfig } from '#infra/config';
import { RedisConnections } from '#infra/redis';
import { ApiSession } from './api-session.js';
import { clientConfig } from './cli.config.js';
import { type Command, UsageError } from './command.js';
import { loginOf, loginOptions, loginUsage, understood } from './login-options.js';
import { askPassword } from './password.js';
import { withProduct } from './product.js';

const readyTimeoutMs = 5_000;

export const cacheWarmCommand: Command = {
  words: 'cache warm',
  usage: 'cache warm',
  summary:
    'reads into Redis what was asked for most, at most two minutes long; ends with 1 where the databases are busy',
  async run(args) {
    if (args.length > 0) throw new UsageError('no options');
    await withProduct(async (product) => {
      if (!(await product.get(RedisConnections).ready('cache', readyTimeoutMs)))
        throw new Error('the cache’s Redis does not answer');
      const warmed = await product.get(Warmth).now();
      console.log(JSON.stringify(warmed));
      if (warmed.skipped) process.exitCode = 1;
    });
  },
};

/** Counts are each api process's own, so it is one of them that is asked. */
export const cacheStatsCommand: Command = {
  words: 'cache stats',
  usage: `cache stats ${loginUsage}`,
  summary: 'what the api process that answers has seen of its cache, as JSON; for a user who may read operations',
  async run(args) {
    const { values } = understood(() => parseArgs({ args: [...args], options: loginOptions }));
    const { api, tenant, email, fromStdin } = loginOf(values, parseConfig({ client: clientConfig }).client.apiUrl);
    const session = await ApiSession.login(api, { tenant, email, password: await askPassword({ fromStdin }) });
    try {
      console.log(JSON.stringify(await session.read('admin/cache/stats'), null, 2));
    } finally {
      await session.end();
    }
  },
};
