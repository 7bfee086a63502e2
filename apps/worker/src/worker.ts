import type { INestApplicationContext } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { addDatabaseChecks, addRedisCheck, Readiness } from '#infra/health';
import { type Departure, drain, inFlightMaxMs, type Service } from '#infra/processes';
import { BullQueues, FactRelay, onNudge, Relay, Workers } from '#infra/queues';
import { RedisConnections } from '#infra/redis';
import { Databases, guardSchemas, Sharding } from '#infra/sharding';
import { Log, Metrics, NestLog, type ProcessIdentity } from '#infra/telemetry';
import { schemaWindows } from '#migrations';
import { Mailer } from './mail/mailer.js';
import { OperatorDoor } from './operator-door.js';
import type { Settings } from './settings.js';
import { WorkerModule, type WorkerOptions } from './worker.module.js';

/** Running jobs are given up after 25 s at the longest; this much later even that must be over. */
const settlingMs = 1_000;

/** One worker process: relays, queues, schedules and the operators' door. */
export class WorkerProcess implements Service {
  #unsubscribe: (() => void) | undefined;
  #stopped: Promise<boolean> | undefined;
  #port = 0;

  readonly readiness: Readiness;
  readonly metrics: Metrics;

  private constructor(private readonly app: INestApplicationContext) {
    this.readiness = app.get(Readiness);
    this.metrics = app.get(Metrics);
  }

  /** Refuses to start where a job has no processor, the schema does not fit, or Redis may lose jobs. */
  static async start(
    settings: Settings,
    identity: ProcessIdentity,
    log: Log,
    options: WorkerOptions = {},
  ): Promise<WorkerProcess> {
    const module = WorkerModule.forRoot(settings, identity, log, options);
    const app = await NestFactory.createApplicationContext(module, { logger: new NestLog(log), abortOnError: false });
    const worker = new WorkerProcess(app);
    try {
      await app.get(RedisConnections).assertQueuePolicy();
      await guardSchemas(app.get(Databases), schemaWindows, { app: identity.app, log });
      await worker.#open();
    } catch (error) {
      await worker.stop();
      throw error;
    }
    return worker;
  }

  /** Where the operators' door is. */
  get port(): number {
    return this.#port;
  }

  /** Takes no new work, ends what runs, closes everything; false when something was still running after its time. */
  drain(departure: Departure): Promise<boolean> {
    this.#stopped ??= this.#close(departure);
    return this.#stopped;
  }

  stop(): Promise<boolean> {
    return this.drain({ waitMs: 0, othersServe: false });
  }

  async #open(): Promise<void> {
    const { app } = this;
    const [readiness, redis] = [app.get(Readiness), app.get(RedisConnections)];
    const [jobs, facts] = [app.get(Relay), app.get(FactRelay)];
    addDatabaseChecks(readiness, app.get(Sharding));
    addRedisCheck(readiness, redis, 'queues', true);
    readiness.add({ name: 'mail', critical: false, run: async () => void (await app.get(Mailer).check()) });
    this.#port = await app.get(OperatorDoor).open();
    await app.get(Workers).start();
    jobs.start();
    facts.start();
    this.#unsubscribe = await onNudge(redis, { job: jobs.wake, fact: facts.wake });
    readiness.markStarted();
    app.get(Log).info('worker.ready', { port: this.#port });
  }

  async #close(departure: Departure): Promise<boolean> {
    const { app } = this;
    const log = app.get(Log);
    let idle = false;
    const ended = await drain(
      {
        announce: () => {
          this.readiness.startDraining();
          this.#unsubscribe?.();
        },
        finish: async () => {
          [idle] = await Promise.all([app.get(Workers).close(), app.get(Relay).stop(), app.get(FactRelay).stop()]);
        },
        // The workers have their own time for running jobs, and what they left is done again elsewhere.
        cut: () => undefined,
        end: () => this.#end(idle),
      },
      { ...departure, log, inFlightMaxMs: inFlightMaxMs + settlingMs },
    );
    log.info('worker.stopped', { outcome: idle && ended ? 'success' : 'failure' });
    return idle && ended;
  }

  async #end(idle: boolean): Promise<void> {
    const { app } = this;
    app.get(Mailer).close();
    if (idle) await app.get(BullQueues).close();
    await app.close();
    await app.get(OperatorDoor).close();
  }
}
