import type { INestApplicationContext } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { addDatabaseChecks, addRedisCheck, Readiness } from '#infra/health';
import { BullQueues, onNudge, Relay, Workers } from '#infra/queues';
import { RedisConnections } from '#infra/redis';
import { assertSchemaVersions, Databases, Sharding } from '#infra/sharding';
import { Log, NestLog, type ProcessIdentity } from '#infra/telemetry';
import { schemaWindows } from '#migrations';
import { Mailer } from './mail/mailer.js';
import { OperatorDoor } from './operator-door.js';
import type { Settings } from './settings.js';
import { WorkerModule } from './worker.module.js';

/** One worker process: relay, queues, schedules and the operators' door. */
export class WorkerProcess {
  #unsubscribe: (() => void) | undefined;
  #stopped: Promise<boolean> | undefined;
  #port = 0;

  private constructor(private readonly app: INestApplicationContext) {}

  /** Refuses to start where a job has no processor, the schema does not fit, or Redis may lose jobs. */
  static async start(settings: Settings, identity: ProcessIdentity, log: Log): Promise<WorkerProcess> {
    const module = WorkerModule.forRoot(settings, identity, log);
    const app = await NestFactory.createApplicationContext(module, { logger: new NestLog(log), abortOnError: false });
    const worker = new WorkerProcess(app);
    try {
      await app.get(RedisConnections).assertQueuePolicy();
      await assertSchemaVersions(app.get(Databases), schemaWindows);
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
  stop(): Promise<boolean> {
    this.#stopped ??= this.#close();
    return this.#stopped;
  }

  async #open(): Promise<void> {
    const { app } = this;
    const [readiness, redis, relay] = [app.get(Readiness), app.get(RedisConnections), app.get(Relay)];
    addDatabaseChecks(readiness, app.get(Sharding));
    addRedisCheck(readiness, redis, 'queues', true);
    this.#port = await app.get(OperatorDoor).open();
    await app.get(Workers).start();
    relay.start();
    this.#unsubscribe = await onNudge(redis, relay.wake);
    readiness.markStarted();
    app.get(Log).info('worker.ready', { port: this.#port });
  }

  async #close(): Promise<boolean> {
    const { app } = this;
    const log = app.get(Log);
    log.info('worker.draining');
    app.get(Readiness).startDraining();
    this.#unsubscribe?.();
    const [drained] = await Promise.all([app.get(Workers).close(), app.get(Relay).stop()]);
    app.get(Mailer).close();
    if (drained) await app.get(BullQueues).close();
    await app.close();
    await app.get(OperatorDoor).close();
    log.info('worker.stopped', { outcome: drained ? 'success' : 'failure' });
    return drained;
  }
}
