import { parseArgs, types } from 'node:util';
import { parseConfig } from '#infra/config';
import { ApiSession } from './api-session.js';
import { clientConfig } from './cli.config.js';
import { type Command, UsageError } from './command.js';
import { FactListener } from './fact-listener.js';
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
  const { values } = parse(args);
  const defaults = parseConfig({ client: clientConfig }).client;
  const required = (option: 'tenant' | 'email'): string => {
    const value = values[option];
    if (value === undefined || value === '') throw new UsageError(`--${option} is missing`);
    return value;
  };
  return {
    tenant: required('tenant'),
    email: required('email'),
    api: originOf('api', values.api ?? defaults.apiUrl),
    gateway: originOf('gateway', values.gateway ?? defaults.gatewayUrl),
    fromStdin: values['password-stdin'] === true,
  };
}

function originOf(option: string, given: string): string {
  const parsed = URL.parse(given);
  if (parsed === null || !/^https?:$/.test(parsed.protocol)) throw new UsageError(`--${option} must be a http(s) url`);
  return parsed.origin;
}

function parse(args: readonly string[]) {
  const text = { type: 'string' } as const;
  const options = {
    tenant: text,
    email: text,
    api: text,
    gateway: text,
    'password-stdin': { type: 'boolean' },
  } as const;
  try {
    return parseArgs({ args: [...args], options });
  } catch (error) {
    throw new UsageError(types.isNativeError(error) ? error.message : 'options not understood');
  }
}
