import { isIP } from 'node:net';
import { flag, integer, list, optional, slice, text, url, type Values } from '#infra/config';

const origin = {
  shape: 'origin',
  parse: (given: string): string => {
    const parsed = URL.parse(given);
    const isOrigin = parsed !== null && parsed.origin === given && /^https?:$/.test(parsed.protocol);
    if (!isOrigin) throw new Error('must hold origins such as https://clinic.example, without a path and without *');
    return given;
  },
};

const bitsOf = { 4: 32, 6: 128 } as Readonly<Record<number, number>>;

const network = {
  shape: 'address or CIDR',
  parse: (given: string): string => {
    const [address = '', bits, ...rest] = given.split('/');
    const widest = bitsOf[isIP(address)];
    const isMask = bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (widest ?? 0));
    if (widest === undefined || !isMask || rest.length > 0) throw new Error('must hold addresses or CIDRs');
    return given;
  },
};

export const apiConfig = slice('API', {
  port: integer('HTTP_PORT', {
    description: 'port of the REST API',
    default: 3000,
    min: 0,
    max: 65_535,
    aliases: ['PORT'],
  }),
  host: text('HTTP_HOST', { description: 'address that the REST API listens on', default: '0.0.0.0' }),
  corsOrigins: list('CORS_ORIGINS', origin, {
    description: 'origins whose pages may call the API from a browser; empty: none',
    default: [],
  }),
  trustedProxies: list('TRUSTED_PROXIES', network, {
    description: 'proxies whose X-Forwarded-For is believed; the client is the right-most address that is none of them',
    default: ['127.0.0.1/32', '::1/128'],
  }),
  requestsRunningMax: integer('ADMISSION_RUNNING_MAX', {
    description: 'requests that one process works on at a time',
    default: 100,
    min: 1,
    max: 10_000,
    unit: 'requests',
  }),
  requestsWaitingMax: integer('ADMISSION_QUEUE_MAX', {
    description: 'requests that wait for that; further ones are refused at once with 503',
    default: 2_000,
    min: 0,
    max: 100_000,
    unit: 'requests',
  }),
  requestWaitMaxMs: integer('ADMISSION_QUEUE_TIMEOUT', {
    description: 'longest wait before a request is refused with 503',
    default: 30_000,
    min: 1,
    max: 30_000,
    unit: 'ms',
  }),
  compression: flag('ENABLE_COMPRESSION', {
    description: 'compress answers of 1 KiB and more with br, gzip or deflate',
    default: true,
  }),
  publicMaxAgeS: integer('CACHE_CONTROL_MAX_AGE', {
    description: 'how long browsers and a CDN may keep what a clinic shows to everybody',
    default: 3_600,
    min: 0,
    max: 31_536_000,
    unit: 'seconds',
  }),
  cdnEnabled: flag('CDN_ENABLED', {
    description: 'addresses of static files lead to STATIC_URL, where that is set',
    default: true,
  }),
  cdnMaxAgeS: integer('CDN_CACHE_TTL', {
    description: 'how long browsers and a CDN may keep static files whose names change with their content',
    default: 31_536_000,
    min: 0,
    max: 31_536_000,
    unit: 'seconds',
  }),
  staticUrl: optional({
    ...url('STATIC_URL', ['http', 'https'], {
      description: 'origin of the CDN that fetches /static from here; unset: this server itself',
    }),
    ...origin,
  }),
});
export type ApiConfig = Values<(typeof apiConfig)['variables']>;
