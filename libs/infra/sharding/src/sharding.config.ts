import { type Environment, family, integer, list, optional, secret, secretUrl, slice, text } from '#infra/config';

const protocols = ['postgres', 'postgresql'];
/** Highest shard number that the environment is searched for. */
export const shardsMax = 64;

const appRole = 'praxis_app';
const usualPort = 5_432;

/**
 * Without a list of shards, DATABASE_URL is shard 1, and the directory lies beside it; without that too, the address is
 * put together from its parts.
 */
function singleDatabase(read: (name: string) => string | undefined): Environment {
  for (let n = 1; n <= shardsMax; n += 1) if (read(`SHARD_${n}_URL`) !== undefined) return {};
  const url = read('DATABASE_URL') ?? fromParts(read);
  if (url === undefined || !URL.canParse(url)) return {};
  const directory = new URL(url);
  directory.pathname += '_directory';
  return { SHARD_1_URL: url, DIRECTORY_URL: directory.toString() };
}

function fromParts(read: (name: string) => string | undefined): string | undefined {
  const [host, name, password] = ['DATABASE_HOST', 'DATABASE_NAME', 'DATABASE_PASSWORD'].map(read);
  if (!host || !name || !password) return undefined;
  const [user, secretPart, database] = [read('DATABASE_USERNAME') ?? appRole, password, name].map(encodeURIComponent);
  return `postgres://${user}:${secretPart}@${host}:${read('DATABASE_PORT') ?? usualPort}/${database}`;
}

export const shardingConfig = slice(
  'Shards',
  {
    directoryUrl: secretUrl('DIRECTORY_URL', protocols, {
      aliases: ['DATABASE_URL'],
      description: 'tenant directory, as role praxis_app',
    }),
    databaseHost: optional(
      text('DATABASE_HOST', {
        description:
          'of shard 1, where neither SHARD_<n>_URL nor DATABASE_URL is set; the directory is beside it, as <name>_directory',
      }),
    ),
    databasePort: integer('DATABASE_PORT', {
      min: 1,
      max: 65_535,
      default: usualPort,
      description: 'of DATABASE_HOST',
    }),
    databaseName: optional(text('DATABASE_NAME', { description: 'of shard 1 on DATABASE_HOST' })),
    databaseUsername: text('DATABASE_USERNAME', { default: appRole, description: 'on DATABASE_HOST' }),
    databasePassword: optional(secret('DATABASE_PASSWORD', { description: 'of DATABASE_USERNAME' })),
    shardUrls: family(
      secretUrl('SHARD_<n>_URL', protocols, { description: 'primary of shard n, as role praxis_app' }),
      shardsMax,
    ),
    shardReplicas: family(
      list('SHARD_<n>_REPLICAS', secretUrl('', protocols, { description: '' }), {
        description: 'replicas of shard n, as role praxis_ro',
      }),
      shardsMax,
    ),
    readReplicas: list('DATABASE_READ_REPLICAS', secretUrl('', protocols, { description: '' }), {
      default: [],
      description: 'replicas of shard 1, as role praxis_ro, where SHARD_1_REPLICAS is not set',
    }),
    relayPassword: secret('DB_RELAY_PASSWORD', { description: 'password of role praxis_relay on every server' }),
  },
  (v) => (v.shardUrls.some((url) => url) ? [] : ['SHARD_1_URL is required: at least one shard']),
  { derive: singleDatabase, owns: ['SHARD_'] },
);
