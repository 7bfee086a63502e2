import type { Server as HttpServer } from 'node:http';
import { createShardedAdapter } from '@socket.io/redis-adapter';
import { Server } from 'socket.io';
import type { RedisConnections } from '#infra/redis';
import type { Log } from '#infra/telemetry';
import type { GatewayConfig } from '../gateway.config.js';
import { forgetRequest } from './outflow.js';
import type { GatewayServer } from './protocol.js';
import { ShardedSubscriptions } from './sharded-subscriptions.js';

const messageMaxBytes = 65_536;
/** Between the upgrade and the packet that carries the token. */
const connectTimeoutMs = 5_000;

/**
 * The one Socket.IO server of this process. WebSocket alone: any gateway can take any handshake, so balancers need no
 * stickiness. Compression is off because its buffers cost many times what a connection costs.
 */
export class SocketServer {
  #server: GatewayServer | undefined;

  constructor(
    private readonly config: Pick<GatewayConfig, 'pingIntervalMs' | 'pingTimeoutMs'>,
    private readonly redis: RedisConnections,
    private readonly log: Log,
  ) {}

  /** After `attach`. */
  get server(): GatewayServer {
    if (this.#server === undefined) throw new Error('the socket server is not attached yet');
    return this.#server;
  }

  attach(http: HttpServer): GatewayServer {
    const subscriptions = new ShardedSubscriptions(this.redis.open('realtime'), this.log);
    const adapter = createShardedAdapter(this.redis.get('realtime'), subscriptions, {
      subscriptionMode: 'dynamic',
      channelPrefix: 'praxis',
    });
    this.#server = new Server(http, {
      path: '/socket.io',
      transports: ['websocket'],
      serveClient: false,
      perMessageDeflate: false,
      httpCompression: false,
      maxHttpBufferSize: messageMaxBytes,
      pingInterval: this.config.pingIntervalMs,
      pingTimeout: this.config.pingTimeoutMs,
      connectTimeout: connectTimeoutMs,
      adapter,
    });
    this.#server.engine.on('connection', forgetRequest);
    return this.#server;
  }
}
