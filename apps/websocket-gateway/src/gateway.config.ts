import { integer, list, slice, text, type Values } from '#infra/config';

const origin = {
  shape: 'origin',
  parse: (given: string): string => {
    const parsed = URL.parse(given);
    const isOrigin = parsed !== null && parsed.origin === given && /^https?:$/.test(parsed.protocol);
    if (!isOrigin) throw new Error('must hold origins such as https://clinic.example, without a path and without *');
    return given;
  },
};

export const gatewayConfig = slice('Gateway', {
  port: integer('GATEWAY_PORT', {
    description: 'port of sockets, /health/live, /health/ready and /metrics; 0 takes any free port',
    default: 3_200,
    min: 0,
    max: 65_535,
  }),
  host: text('GATEWAY_HOST', { description: 'address that the gateway listens on', default: '0.0.0.0' }),
  origins: list('GATEWAY_ORIGINS', origin, {
    description: 'origins whose pages may connect from a browser; empty: none. Clients that are no browsers name none',
    default: [],
  }),
  socketsMax: integer('GATEWAY_MAX_SOCKETS', {
    description: 'connections of one process; beyond them a handshake is answered 503',
    default: 12_000,
    min: 1,
    max: 100_000,
  }),
  connectsPerSecond: integer('GATEWAY_CONNECT_RATE', {
    description: 'handshakes a second and process; beyond them a handshake is answered 503',
    default: 1_000,
    min: 1,
    max: 10_000,
  }),
  socketsPerUser: integer('GATEWAY_SOCKETS_PER_USER', {
    description: 'connections of one user on one process',
    default: 50,
    min: 1,
    max: 1_000,
  }),
  sessionCheckMs: integer('GATEWAY_SESSION_CHECK', {
    description: 'in this time every open session is looked at: one that has ended loses its connections',
    default: 10_000,
    min: 500,
    max: 25_000,
    unit: 'milliseconds',
  }),
  pingIntervalMs: integer('GATEWAY_PING_INTERVAL', {
    description: 'a client is asked this often whether it is still there',
    default: 25_000,
    min: 100,
    max: 25_000,
    unit: 'milliseconds',
  }),
  pingTimeoutMs: integer('GATEWAY_PING_TIMEOUT', {
    description: 'a client that does not answer for this long is gone: after 45 s at the longest',
    default: 20_000,
    min: 100,
    max: 20_000,
    unit: 'milliseconds',
  }),
  drainSpreadMs: integer('GATEWAY_DRAIN_SPREAD', {
    description:
      'time over which a stopping process lets its connections go, so that they do not all come back at once',
    default: 20_000,
    min: 0,
    max: 20_000,
    unit: 'milliseconds',
  }),
});
export type GatewayConfig = Values<(typeof gatewayConfig)['variables']>;
