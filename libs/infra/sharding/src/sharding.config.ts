import { family, list, secret, secretUrl, slice } from '#infra/config';

const protocols = ['postgres', 'postgresql'];
/** Highest shard number that the environment is searched for. */
export const shardsMax = 64;

export const shardingConfig = slice(
  'Shards',
  {
    directoryUrl: secretUrl('DIRECTORY_URL', protocols, {
      aliases: ['DATABASE_URL'],
      description: 'tenant directory, as role praxis_app',
    }),
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
);
