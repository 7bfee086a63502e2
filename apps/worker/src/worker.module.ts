import { type DynamicModule, Module, type Provider } from '@nestjs/common';
import { appointmentFacts, appointmentJobs } from '#domain/appointments';
import { MembersModule, MembersService, memberFacts, memberJobs } from '#domain/members';
import { patientFacts } from '#domain/patients';
import {
  Reconciler,
  ReconciliationModule,
  reconciliationFacts,
  reconciliationJobs,
  StatementIngest,
} from '#domain/reconciliation';
import { AuditModule } from '#infra/audit';
import { Cache, CacheModule, Warmth } from '#infra/cache';
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
import { QuotaRecount, QuotasModule, quotaFacts } from '#infra/quotas';
import { FactLog, RealtimeModule } from '#infra/realtime';
import { RedisConnections, RedisModule } from '#infra/redis';
import { Sharding, ShardingModule } from '#infra/sharding';
import { Log, Metrics, type ProcessIdentity, TelemetryModule } from '#infra/telemetry';
import { cacheProcessors, cacheWarm } from './cache-warm/cache-warm.js';
import { hygieneSchedules } from './hygiene/sweeps.js';
import { letterProcessors } from './identity/letters.processors.js';
import { FolderMailer } from './mail/folder-mailer.js';
import { Mailer } from './mail/mailer.js';
import { SmtpMailer } from './mail/smtp-mailer.js';
import { OperatorDoor } from './operator-door.js';
import { quotaSchedule } from './quota-recount.js';
import { reconciliationProcessors } from './reconciliation/reconciliation.processors.js';
import type { Settings } from './settings.js';
import { shardLoadSchedule } from './shard-load.js';
import type { WorkerConfig } from './worker.config.js';

/** What the environment does not decide. */
export interface WorkerOptions {
  /** How long a mail server that fails again and again is left alone; 60 s unless said otherwise. */
  readonly mailOpenForMs?: number;
}

const processorsToken = Symbol('what does each job');

@Module({})
export class WorkerModule {
  static forRoot(settings: Settings, process: ProcessIdentity, log: Log, options: WorkerOptions = {}): DynamicModule {
    const applicationName = `${settings.telemetry.service}:${process.app}`;
    return {
      module: WorkerModule,
      imports: [
        TelemetryModule.forRoot(settings.telemetry, process, log),
        RedisModule.forRoot(settings.redis),
        CryptoModule.forRoot(settings.crypto),
        ShardingModule.forRoot({ sharding: settings.sharding, database: settings.database, applicationName }),
        QueuesModule.forRoot({
          jobs: [...identityJobs, ...appointmentJobs, ...memberJobs, ...reconciliationJobs],
          facts: [...appointmentFacts, ...memberFacts, ...patientFacts, ...reconciliationFacts, ...quotaFacts],
        }),
        RealtimeModule.forRoot(),
        AuditModule,
        CacheModule.forRoot(settings.cache),
        HealthModule.forRoot(),
        IdentityModule.forRoot(settings.identity),
        QuotasModule,
        MembersModule,
        ReconciliationModule,
      ],
      providers: [...carrying(settings), ...working(settings, options), operatorDoor(settings)],
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
const working = ({ worker, queues: config }: Settings, { mailOpenForMs }: WorkerOptions): Provider[] => [
  {
    provide: Mailer,
    inject: [Log, Metrics],
    useFactory: (log: Log, metrics: Metrics) => mailerOf(worker, log, metrics, mailOpenForMs),
  },
  {
    provide: processorsToken,
    inject: [Identity, Mailer, StatementIngest, Reconciler, MembersService, Cache],
    useFactory: (...[identity, mailer, ingest, reconciler, members, cache]: ProcessorNeeds) => [
      ...letterProcessors(identity, mailer),
      ...cacheProcessors(members, cache),
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
    inject: [BullQueues, JobRunner, Sharding, Identity, Log, Warmth, QuotaRecount],
    useFactory: (...[queues, runner, sharding, identity, log, warmth, recount]: WorkersNeeds) => {
      const hygiene = hygieneSchedules({ sharding, identity, clock: systemClock, log });
      const others = [cacheWarm(warmth), shardLoadSchedule(sharding, systemClock), quotaSchedule(recount)];
      const schedules = [...hygiene, ...others];
      return new Workers({ queues, runner, schedules, config, log });
    },
  },
];

const operatorDoor = ({ worker: { port, host } }: Settings): Provider => ({
  provide: OperatorDoor,
  inject: [Readiness, Metrics],
  useFactory: (readiness: Readiness, metrics: Metrics) => new OperatorDoor({ readiness, metrics, port, host }),
});

type ProcessorNeeds = [Identity, Mailer, StatementIngest, Reconciler, MembersService, Cache];
type WorkersNeeds = [BullQueues, JobRunner, Sharding, Identity, Log, Warmth, QuotaRecount];
type RunnerNeeds = [Sharding, Catalogue, readonly Processor[], Log, QueueMetrics];

function mailerOf(config: WorkerConfig, log: Log, metrics: Metrics, openForMs: number | undefined): Mailer {
  const { smtpUrl, mailFolder, mailFrom } = config;
  const rest = openForMs === undefined ? {} : { openForMs };
  if (smtpUrl) return new SmtpMailer({ url: smtpUrl, from: mailFrom, log, metrics, ...rest });
  return new FolderMailer({ folder: mailFolder ?? '', from: mailFrom });
}
