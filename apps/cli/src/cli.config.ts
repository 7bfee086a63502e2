import { optional, secret, slice, text, url } from '#infra/config';

/** Only the operator's machine knows these; no app reads them. */
export const operatorConfig = slice('Operator', {
  adminUser: text('DB_ADMIN_USER', {
    default: 'postgres',
    description: 'role that may create roles and databases and become praxis_owner',
  }),
  adminPassword: secret('DB_ADMIN_PASSWORD', { description: 'its password, the same on every server' }),
  readOnlyPassword: secret('DB_READONLY_PASSWORD', { description: 'password that role praxis_ro gets' }),
});

/** Where `praxis` reaches the product as any other client does. */
export const clientConfig = slice('Client', {
  apiUrl: url('API_URL', ['http', 'https'], {
    description: 'REST API that `praxis listen` and `praxis cache stats` log in at',
    default: 'http://127.0.0.1:3000',
  }),
  gatewayUrl: url('GATEWAY_URL', ['http', 'https'], {
    description: 'gateway that `praxis listen` connects to',
    default: 'http://127.0.0.1:3200',
  }),
});

/** The CDN in front of an installation. No app reads these. */
export const cdnConfig = slice('CDN', {
  zoneId: optional(text('CLOUDFLARE_ZONE_ID', { description: 'zone that `praxis cdn` speaks for' })),
  token: optional(
    secret('CLOUDFLARE_API_TOKEN', {
      description: 'may edit settings and cache rules of that zone and purge its cache',
    }),
  ),
  apiUrl: url('CLOUDFLARE_API_URL', ['http', 'https'], {
    description: 'base of Cloudflare’s API',
    default: 'https://api.cloudflare.com/client/v4',
  }),
});
