import { parseArgs } from 'node:util';
import { parseConfig } from '#infra/config';
import { ApiSession } from './api-session.js';
import { clientConfig } from './cli.config.js';
import { type Command } from './command.js';
import { FactListener } from './fact-listener.js';
import { loginOf, loginOptions, originOf, understood } from './login-options.js';
import { askPassword } from './password.js';

const usage = 'listen --tenant S --email E [--api http://…] [--gateway http://…] [--password-stdin]';

/** Prints one line of JSON per fact on stdout, and what happens to the connection on stderr, until Ctrl-C. */
export const listenCommand: Command = {
  words: 'listen',
  usage,
  summary: 'a tenant’s facts as they happen, as its user may hear them; the password is asked for or read from stdin',
  async run(args) {
    const { api, gateway, tenant, email, fromStdin } = read(args);
    const session = await ApiSession.login(api, { tenant, email, password: await askPassword({ fromStdin }) });
    const stop = new AbortController();
    const end = () => stop.abort();
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, end);
    // The reader of a pipe may leave first.
    process.stdout.on('error', end);
    const listener = new FactListener({
      session,
      gateway,
      print: (fact) => process.stdout.write(`${JSON.stringify(fact)}\n`),
      note: (line) => console.error(line),
    });
    try {
      await listener.listen(stop.signal);
    } finally {
      await session.end();
    }
  },
};

function read(args: readonly string[]) {
  const options = { ...loginOptions, gateway: { type: 'string' } } as const;
  const { values } = understood(() => parseArgs({ args: [...args], options }));
  const defaults = parseConfig({ client: clientConfig }).client;
  const gateway = originOf('gateway', values.gateway ?? defaults.gatewayUrl);
  return { ...loginOf(values, defaults.apiUrl), gateway };
}
