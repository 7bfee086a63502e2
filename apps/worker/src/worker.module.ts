import { type DynamicModule, Module, type Provider } from '@nestjs/common';
import { appointmentFacts } from '#domain/appointments';
import { memberFacts } from '#domain/members';
import { patientFacts } from '#domain/patients';
import {
  Reconciler,
  ReconciliationModule,
  reconciliationFacts,
  reconciliationJobs,
  StatementIngest,
} from '#domain/reconciliation';
import { AuditModule } from '#infra/audit';
import { CryptoModule } from '#infra/crypto';
import { HealthModule, Readiness } from '#infra/health';
import { Identity, IdentityModule, identityJobs } from '#infra/identity';
import { systemClock } from '#infra/kernel';
import {
  BullQueues,
  Catalogue,
  FactRelay,
  JobRunner,
  type Processor,
  processorsOf,
  QueueMetrics,
  QueuesModule,
  Relay,
  Workers,
} from '#infra/queues';
import { FactLog, RealtimeModule } from '#infra/realtime';
import { RedisConnections, RedisModule } from '#infra/redis';
import { Sharding, ShardingModule } from '#infra/sharding';
import { Log, Metrics, type ProcessIdentity, TelemetryModule } from '#infra/telemetry';
import { hygieneSchedules } from './hygiene/sweeps.js';
import { letterProcessors } from './identity/letters.processors.js';
import { FolderMailer } from './mail/folder-mailer.js';
import { Mailer } from './mail/mailer.js';
import { SmtpMailer } from './mail/smtp-mailer.js';
import { OperatorDoor } from './operator-door.js';
import { reconciliationProcessors } from './reconciliation/reconciliation.processors.js';
import type { Settings } from './settings.js';
import type { WorkerConfig } from './worker.config.js';

const processorsToken = Symbol('what does each job');

@Module({})
export class WorkerModule {
  static forRoot(settings: Settings, process: ProcessIdentity, log: Log): DynamicModule {
    const applicationName = `${settings.telemetry.service}:${process.app}`;
    return {
      module: WorkerModule,
      imports: [
        TelemetryModule.forRoot(settings.telemetry, process, log),
        RedisModule.forRoot(settings.redis),
        CryptoModule.forRoot(settings.crypto),
        ShardingModule.forRoot({ sharding: settings.sharding, database: settings.database, applicationName }),
        QueuesModule.forRoot({
          jobs: [...identityJobs, ...reconciliationJobs],
          facts: [...appointmentFacts, ...memberFacts, ...patientFacts, ...reconciliationFacts],
        }),
        RealtimeModule.forRoot(),
        AuditModule,
        HealthModule.forRoot(),
        IdentityModule.forRoot(settings.identity),
        ReconciliationModule,
      ],
      providers: [...carrying(settings), ...working(settings), operatorDoor(settings)],
    };
  }
}

/** From the outboxes into the queues and to the listeners. */
const carrying = ({ queues: config }: Settings): Provider[] => [
  { provide: QueueMetrics, inject: [Metrics], useFactory: (metrics: Metrics) => new QueueMetrics(metrics) },
  {
    provide: BullQueues,
    inject: [RedisConnections, Log],
    useFactory: (redis: RedisConnections, log: Log) => new BullQueues(redis, log),
  },
  {
    provide: Relay,
    inject: [Sharding, BullQueues, Catalogue, Log, QueueMetrics],
    useFactory: (sharding: Sharding, queues: BullQueues, catalogue: Catalogue, log: Log, metrics: QueueMetrics) =>
      new Relay({ sharding, queues, catalogue, config, log, metrics, clock: systemClock }),
  },
  {
    provide: FactRelay,
    inject: [Sharding, FactLog, Catalogue, Log, QueueMetrics],
    useFactory: (sharding: Sharding, sink: FactLog, catalogue: Catalogue, log: Log, metrics: QueueMetrics) =>
      new FactRelay({ sharding, sink, catalogue, config, log, metrics, clock: systemClock }),
  },
];

/** From the queues to what is done. */
const working = ({ worker, queues: config }: Settings): Provider[] => [
  { provide: Mailer, useFactory: () => mailerOf(worker) },
  {
    provide: processorsToken,
    inject: [Identity, Mailer, StatementIngest, Reconciler],
    useFactory: (identity: Identity, mailer: Mailer, ingest: StatementIngest, reconciler: Reconciler) => [
      ...letterProcessors(identity, mailer),
      ...reconciliationProcessors(ingest, reconciler),
    ],
  },
  {
    provide: JobRunner,
    inject: [Sharding, Catalogue, processorsToken, Log, QueueMetrics],
    useFactory: (...[sharding, catalogue, all, log, metrics]: RunnerNeeds) => {
      const processors = processorsOf(catalogue, all);
      return new JobRunner({ sharding, processors, log, metrics, clock: systemClock });
    },
  },
  {
    provide: Workers,
    inject: [BullQueues, JobRunner, Sharding, Identity, Log],
    useFactory: (queues: BullQueues, runner: JobRunner, sharding: Sharding, identity: Identity, log: Log) => {
      const schedules = hygieneSchedules({ sharding, identity, clock: systemClock, log });
      return new Workers({ queues, runner, schedules, config, log });
    },
  },
];

const operatorDoor = ({ worker: { port, host } }: Settings): Provider => ({
  provide: OperatorDoor,
  inject: [Readiness, Metrics],
  useFactory: (readiness: Readiness, metrics: Metrics) => new OperatorDoor({ readiness, metrics, port, host }),
});

type RunnerNeeds = [Sharding, Catalogue, readonly Processor[], Log, QueueMetrics];

function mailerOf({ smtpUrl, mailFolder, mailFrom }: WorkerConfig): Mailer {
  if (smtpUrl) return new SmtpMailer({ url: smtpUrl, from: mailFrom });
  return new FolderMailer({ folder: mailFolder ?? '', from: mailFrom });
}
