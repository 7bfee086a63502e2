import { type DynamicModule, Module, type Provider } from '@nestjs/common';
import { appointmentFacts } from '#domain/appointments';
import { memberFacts } from '#domain/members';
import { patientFacts } from '#domain/patients';
import { reconciliationFacts } from '#domain/reconciliation';
import { AuditModule } from '#infra/audit';
import { CryptoModule } from '#infra/crypto';
import { HealthModule } from '#infra/health';
import { IdentityModule, identityJobs, Sessions } from '#infra/identity';
import { systemClock } from '#infra/kernel';
import { Catalogue, QueuesModule } from '#infra/queues';
import { quotaFacts } from '#infra/quotas';
import { FactFeed, FactLog, RealtimeModule } from '#infra/realtime';
import { RedisConnections, RedisModule } from '#infra/redis';
import { Sharding, ShardingModule } from '#infra/sharding';
import { Log, Metrics, type ProcessIdentity, TelemetryModule } from '#infra/telemetry';
import { Channels } from './facts/channels.js';
import { GatewayMetrics } from './gateway.metrics.js';
import { Presence } from './sessions/presence.js';
import { SessionRounds } from './sessions/session-rounds.js';
import { SocketSessions } from './sessions/socket-sessions.js';
import type { Settings } from './settings.js';
import { Admission } from './sockets/admission.js';
import { Commands } from './sockets/commands.js';
import { ConnectionWatch } from './sockets/connection-watch.js';
import { Connections } from './sockets/connections.js';
import { FactsGateway } from './sockets/facts.gateway.js';
import { Handshake } from './sockets/handshake.js';
import { Listeners } from './sockets/listeners.js';
import { SocketServer } from './sockets/socket-server.js';

const clock = systemClock;
const facts = [...appointmentFacts, ...memberFacts, ...patientFacts, ...reconciliationFacts, ...quotaFacts];

@Module({})
export class GatewayModule {
  static forRoot(settings: Settings, process: ProcessIdentity, log: Log): DynamicModule {
    const applicationName = `${settings.telemetry.service}:${process.app}`;
    return {
      module: GatewayModule,
      imports: [
        TelemetryModule.forRoot(settings.telemetry, process, log),
        RedisModule.forRoot(settings.redis),
        CryptoModule.forRoot(settings.crypto),
        ShardingModule.forRoot({ sharding: settings.sharding, database: settings.database, applicationName }),
        QueuesModule.forRoot({ jobs: identityJobs, facts }),
        AuditModule,
        HealthModule.forRoot(),
        IdentityModule.forRoot(settings.identity),
        RealtimeModule.forRoot(),
      ],
      providers: [...state, ...listening, ...sessions(settings), ...doors(settings), FactsGateway],
    };
  }
}

const state: Provider[] = [
  Listeners,
  { provide: GatewayMetrics, inject: [Metrics], useFactory: (metrics: Metrics) => new GatewayMetrics(metrics) },
  {
    provide: Presence,
    inject: [RedisConnections, Log],
    useFactory: (redis: RedisConnections, log: Log) => new Presence({ redis, clock, log }),
  },
];

/** From the facts of a tenant to those who listen. */
const listening: Provider[] = [
  {
    provide: Channels,
    inject: [SocketServer, FactFeed, FactLog, Catalogue, GatewayMetrics],
    useFactory: (
      sockets: SocketServer,
      feed: FactFeed,
      factLog: FactLog,
      catalogue: Catalogue,
      metrics: GatewayMetrics,
    ) => {
      const permissions = [...new Set([...catalogue.facts.values()].map(({ permission }) => permission))];
      return new Channels({ server: () => sockets.server, feed, factLog, permissions, metrics, clock });
    },
  },
  {
    provide: ConnectionWatch,
    inject: [Listeners, Channels, Log],
    useFactory: (listeners: Listeners, channels: Channels, log: Log) =>
      new ConnectionWatch({ listeners, channels, clock, log }),
  },
];

const sessions = ({ gateway: config, identity }: Settings): Provider[] => [
  {
    provide: SocketSessions,
    inject: [Sharding],
    useFactory: (sharding: Sharding) => new SocketSessions({ sharding, identity, clock }),
  },
  {
    provide: SessionRounds,
    inject: [SocketServer, Channels, SocketSessions, Presence, Log],
    useFactory: (
      sockets: SocketServer,
      channels: Channels,
      socketSessions: SocketSessions,
      presence: Presence,
      log: Log,
    ) => new SessionRounds({ config, channels, sessions: socketSessions, presence, server: () => sockets.server, log }),
  },
];

/** What a connection goes through. */
const doors = ({ gateway: config }: Settings): Provider[] => [
  {
    provide: SocketServer,
    inject: [RedisConnections, Log],
    useFactory: (redis: RedisConnections, log: Log) => new SocketServer(config, redis, log),
  },
  {
    provide: Admission,
    inject: [GatewayMetrics],
    useFactory: (metrics: GatewayMetrics) => new Admission({ config, clock, metrics }),
  },
  {
    provide: Handshake,
    inject: [Sessions, Listeners, GatewayMetrics, Log],
    useFactory: (verified: Sessions, listeners: Listeners, metrics: GatewayMetrics, log: Log) =>
      new Handshake({ config, sessions: verified, listeners, metrics, clock, log }),
  },
  {
    provide: Commands,
    inject: [Channels, SocketSessions, Presence, GatewayMetrics, Log],
    useFactory: (...[channels, socketSessions, presence, metrics, log]: CommandNeeds) =>
      new Commands({ channels, sessions: socketSessions, presence, metrics, clock, log }),
  },
  {
    provide: Connections,
    inject: [Handshake, Listeners, Channels, Presence, Commands, GatewayMetrics, Log],
    useFactory: (...[handshake, listeners, channels, presence, commands, metrics, log]: ConnectionNeeds) =>
      new Connections({ config, handshake, listeners, channels, presence, commands, metrics, clock, log }),
  },
];

type CommandNeeds = [Channels, SocketSessions, Presence, GatewayMetrics, Log];
type ConnectionNeeds = [Handshake, Listeners, Channels, Presence, Commands, GatewayMetrics, Log];
