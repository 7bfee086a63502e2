import type { INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { addRedisCheck, operatorPages, Readiness } from '#infra/health';
import { type Departure, drain, inFlightMs, type Service } from '#infra/processes';
import { RedisConnections } from '#infra/redis';
import { Databases, directoryName, guardSchemas, Sharding } from '#infra/sharding';
import { Log, Metrics, NestLog, type ProcessIdentity } from '#infra/telemetry';
import { schemaWindows } from '#migrations';
import { Channels } from './facts/channels.js';
import { GatewayMetrics } from './gateway.metrics.js';
import { GatewayModule } from './gateway.module.js';
import { HttpFront } from './http/http-front.js';
import { SessionRounds } from './sessions/session-rounds.js';
import type { Settings } from './settings.js';
import { Admission } from './sockets/admission.js';
import { ConnectionWatch } from './sockets/connection-watch.js';
import { releaseAll } from './sockets/drain.js';
import { Handshake } from './sockets/handshake.js';
import { Listeners } from './sockets/listeners.js';
import { SocketAdapter } from './sockets/socket-adapter.js';
import { SocketServer } from './sockets/socket-server.js';

/** Of the time for what is in flight, this much is for the last connections to go. */
const farewellMaxMs = 2_000;

const directoryCheck = (sharding: Sharding) => async () => {
  await sharding.ping(directoryName);
  return 'up' as const;
};

/** One gateway process: sockets, the facts they hear, and the operators' door, all on one port. */
export class GatewayProcess implements Service {
  readonly readiness: Readiness;
  readonly metrics: Metrics;
  #stopped: Promise<boolean> | undefined;

  private constructor(
    private readonly app: INestApplication,
    private readonly front: HttpFront,
    private readonly settings: Settings,
  ) {
    this.readiness = app.get(Readiness);
    this.metrics = app.get(Metrics);
  }

  /** Refuses to start where the schema does not fit. */
  static async start(settings: Settings, identity: ProcessIdentity, log: Log): Promise<GatewayProcess> {
    const front = new HttpFront(settings.gateway.socketsMax);
    const module = GatewayModule.forRoot(settings, identity, log);
    const options = { logger: new NestLog(log), abortOnError: false, bodyParser: false };
    const app = await NestFactory.create(module, front, options);
    const gateway = new GatewayProcess(app, front, settings);
    try {
      await guardSchemas(app.get(Databases), schemaWindows, { app: identity.app, log });
      await gateway.#open();
    } catch (error) {
      await gateway.stop();
      throw error;
    }
    return gateway;
  }

  /** Of sockets and of the operators' door. */
  get port(): number {
    return this.front.port;
  }

  /**
   * When the balancer has had its time, takes no handshake, lets connections go one after another, closes everything;
   * false when some would not go. Where others serve the port, clients that come back reach them; else they hear 503.
   */
  drain(departure: Departure): Promise<boolean> {
    this.#stopped ??= this.#close(departure);
    return this.#stopped;
  }

  stop(): Promise<boolean> {
    return this.drain({ waitMs: 0, othersServe: false });
  }

  async #open(): Promise<void> {
    const { app, front, settings, readiness, metrics } = this;
    const [sockets, listeners] = [app.get(SocketServer), app.get(Listeners)];
    readiness.add({ name: directoryName, critical: true, run: directoryCheck(app.get(Sharding)) });
    addRedisCheck(readiness, app.get(RedisConnections), 'realtime', true);
    front.answerWith(operatorPages(readiness, metrics));
    app.useWebSocketAdapter(new SocketAdapter(app.getHttpServer(), () => this.#attach(sockets)));
    await app.init();
    app.get(GatewayMetrics).watch(() => ({
      sockets: listeners.count,
      tenants: app.get(Channels).count,
      lagging: listeners.laggingCount,
    }));
    app.get(ConnectionWatch).start();
    app.get(SessionRounds).start();
    await app.listen(settings.gateway.port, settings.gateway.host);
    readiness.markStarted();
    app.get(Log).info('gateway.ready', { port: this.port });
  }

  #attach(sockets: SocketServer) {
    const { app, front } = this;
    const server = sockets.attach(front.getHttpServer());
    server.engine.use(app.get(Admission).guard(() => server.engine.clientsCount));
    server.use(app.get(Handshake).guard);
    return server;
  }

  async #close(departure: Departure): Promise<boolean> {
    const { app, front, settings } = this;
    const log = app.get(Log);
    let released = false;
    const spreadMs = Math.min(settings.gateway.drainSpreadMs, inFlightMs(departure.waitMs) - farewellMaxMs);
    const ended = await drain(
      {
        announce: () => this.readiness.startDraining(),
        leave: () => front.leave(),
        finish: async () => {
          app.get(Admission).close();
          released = await releaseAll(app.get(Listeners), spreadMs);
        },
        cut: () => front.cutAll(),
        end: () => this.#end(),
      },
      { ...departure, log },
    );
    log.info('gateway.stopped', { outcome: released && ended ? 'success' : 'failure' });
    return released && ended;
  }

  async #end(): Promise<void> {
    const { app, front } = this;
    app.get(ConnectionWatch).stop();
    await app.get(SessionRounds).stop();
    front.cutAll();
    await app.close();
  }
}
