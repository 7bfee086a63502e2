import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type INestApplicationContext, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  ingestStatement,
  type NewSource,
  ReconciliationModule,
  RunsService,
  reconcileRun,
  reconciliationFacts,
  reconciliationJobs,
  type SourceId,
  SourcesService,
  StatementIngest,
  UploadService,
} from '#domain/reconciliation';
import { AuditModule } from '#infra/audit';
import { CryptoModule } from '#infra/crypto';
import { Identity, IdentityModule, identityJobs, sendInvitation, sendPasswordReset } from '#infra/identity';
import type { TenantContext } from '#infra/kernel';
import { BullQueues, type JobDefinition, Outbox, type OutboxEntry, QueuesModule } from '#infra/queues';
import { RedisModule } from '#infra/redis';
import { ShardingModule } from '#infra/sharding';
import { createLog, type Log, TelemetryModule } from '#infra/telemetry';
import { openTestDatabases, type TestDatabases, waitUntil } from '#infra/testing';
import { readSettings, type Settings } from '../src/settings.js';
import { WorkerProcess } from '../src/worker.js';

const identityOfProcess = { app: 'worker', version: '0' };
export const soonMs = 20_000;

@Module({})
class AskingModule {}

/** A job that somebody asked for and that the relay leaves alone: only what a test puts into Redis is delivered. */
export interface Asked {
  readonly id: string;
  readonly name: string;
  readonly place: 'directory' | 'shard';
  readonly ctx: TenantContext;
  readonly payload: Readonly<Record<string, string>>;
}

/** What every job of the product is about: one thing, in the tenant's rows of this database. */
export const jobs: readonly { readonly job: JobDefinition; readonly place: Asked['place'] }[] = [
  { job: sendInvitation as JobDefinition, place: 'directory' },
  { job: sendPasswordReset as JobDefinition, place: 'directory' },
  { job: ingestStatement as JobDefinition, place: 'shard' },
  { job: reconcileRun as JobDefinition, place: 'shard' },
];

/** A worker as a process runs it, and the services that ask it for work. */
export class JobContextFixture {
  readonly #queues: BullQueues;

  private constructor(
    readonly databases: TestDatabases,
    private readonly home: string,
    private readonly settings: Settings,
    private readonly app: INestApplicationContext,
    private readonly log: Log,
    readonly lines: readonly string[],
  ) {
    this.#queues = new BullQueues(databases.redis, log);
  }

  static async open(): Promise<JobContextFixture> {
    const databases = await openTestDatabases();
    await databases.redis.get('queues').flushdb();
    const home = await mkdtemp(join(tmpdir(), 'praxis-job-context-'));
    const settings = readSettings({
      ...databases.env,
      MAIL_FOLDER: join(home, 'mails'),
      WORKER_PORT: '0',
      WORKER_HOST: '127.0.0.1',
      TOKEN_SIGNING_KEY: randomBytes(32).toString('base64'),
      APP_URL: 'https://app.praxis.example',
    });
    const lines: string[] = [];
    const log = createLog(
      { level: 'info', service: 'test' },
      { ...identityOfProcess, to: { write: (line: string) => void lines.push(line) } },
    );
    const app = await NestFactory.createApplicationContext(
      { module: AskingModule, imports: modulesOf(settings, log) },
      { logger: false, abortOnError: false },
    );
    return new JobContextFixture(databases, home, settings, app, log, lines);
  }

  work(): Promise<WorkerProcess> {
    return WorkerProcess.start(this.settings, identityOfProcess, this.log);
  }

  /** Puts this into the job's queue, as whoever writes to Redis can, and waits until a worker has dealt with it. */
  async deliver({ id, name }: Pick<Asked, 'id' | 'name'>, data: unknown, as = name): Promise<void> {
    const found = jobs.find(({ job }) => job.name === name);
    if (found === undefined) throw new Error(`no job ${name}`);
    const queue = this.#queues.queue(found.job.queue);
    await queue.add(as, data, { jobId: id });
    const ended = async () => ['completed', 'failed'].includes(await queue.getJobState(id));
    if (!(await waitUntil(ended, soonMs))) throw new Error(`${name} is still under way`);
    await queue.remove(id);
  }

  /** A tenant that has asked for one job of each kind; none of them is due for years. */
  async tenantWithJobs(shardId: string): Promise<readonly Asked[]> {
    const ctx = await this.databases.newTenant({ shardId });
    await this.#ask(ctx);
    const asked: Asked[] = [];
    for (const { job, place } of jobs) {
      const database = place === 'directory' ? 'directory' : shardId;
      const [row, ...others] = await this.databases.asAdmin<Pick<Asked, 'id' | 'name' | 'payload'>>(
        database,
        `update outbox set next_at = '2100-01-01' where tenant_id = $1 and name = $2 and outcome is null
         returning id, name, payload`,
        [ctx.tenant.id, job.name],
      );
      if (row === undefined || others.length > 0) throw new Error(`${job.name} was not asked for once`);
      asked.push({ ...row, place, ctx });
    }
    return asked;
  }

  /** A job of this tenant's own, with a payload that its code made wrongly; due at once. */
  async ask({ tenant }: TenantContext, place: Asked['place'], entry: OutboxEntry): Promise<void> {
    const { sharding } = this.databases;
    const ctx = { ...this.databases.newContext(), tenant };
    const database = place === 'directory' ? sharding.directory : sharding;
    await database.write(ctx, (tx) => this.app.get(Outbox).append(tx, entry));
  }

  async rowsOf({ ctx, name, place }: Asked): Promise<readonly { outcome: string | null; error_code: string | null }[]> {
    const { shardId } = await this.databases.sharding.tenants.byId(ctx.tenant.id);
    const sql = 'select outcome, error_code from outbox where tenant_id = $1 and name = $2 order by id';
    return this.databases.asAdmin(place === 'directory' ? 'directory' : shardId, sql, [ctx.tenant.id, name]);
  }

  /** What jobs do: mails that left, statements taken in, runs done, records and matches made, in these tenants. */
  async effects(...tenants: readonly TenantContext[]): Promise<readonly string[]> {
    const mails = (await readdir(join(this.home, 'mails')).catch(() => [])).filter((name) => name.endsWith('.eml'));
    const told: string[] = [];
    for (const name of mails) told.push(`mail ${/^To: (.+)$/m.exec(await this.#mail(name))?.[1]?.trim()}`);
    for (const { tenant } of tenants) {
      const { shardId } = await this.databases.sharding.tenants.byId(tenant.id);
      const sql = `select 'statement ' || id as what from recon_statement where tenant_id = $1 and status <> 'received'
        union all select 'run ' || id from recon_run where tenant_id = $1 and status <> 'pending'
        union all select 'record ' || id from recon_record where tenant_id = $1`;
      const rows = await this.databases.asAdmin<{ what: string }>(shardId, sql, [tenant.id]);
      told.push(...rows.map(({ what }) => what));
    }
    return told.sort();
  }

  async close(): Promise<void> {
    await this.app.close();
    await this.databases.close();
    await rm(this.home, { recursive: true });
  }

  #mail(name: string): Promise<string> {
    return readFile(join(this.home, 'mails', name), 'utf8');
  }

  /** Each through the verb that asks for the job. */
  async #ask(ctx: TenantContext): Promise<void> {
    const { slug: tenant } = await this.databases.sharding.tenants.byId(ctx.tenant.id);
    const identity = this.app.get(Identity);
    const owner = `owner@${tenant}.example`;
    const password = 'seven otters left early';
    await identity.users.createOwner(ctx, { email: owner, displayName: 'Inès Moreau', password });
    await identity.invitations.invite(ctx, { email: `nurse@${tenant}.example`, roles: ['nurse'] });
    const anonymous = { ...this.databases.newContext(), actor: { kind: 'anonymous' } } as const;
    await identity.passwordResets.request(
      { ...anonymous, ip: '192.0.2.7', route: 'POST /test' },
      { tenant, email: owner },
    );
    const leftSourceId = await this.#source(ctx, 'till');
    const rightSourceId = await this.#source(ctx, 'bank');
    for (const source of [leftSourceId, rightSourceId]) await this.#takeIn(ctx, source, '1,2026-11-01,12.50,A,B');
    const asked = { leftSourceId, rightSourceId, ladder: [[{ field: 'reference' }]] as const, from: null, to: null };
    await this.app.get(RunsService).start(ctx, asked);
    await this.#upload(ctx, leftSourceId, '2,2026-11-02,13.50,C,D');
  }

  #upload(ctx: TenantContext, source: SourceId, line: string) {
    return this.app.get(UploadService).receive(ctx, source, bytesOf(`Id,Date,Amount,Reference,Memo\n${line}\n`));
  }

  /** Runs need records. Here these are taken in; nobody is left to be asked for it. */
  async #takeIn(ctx: TenantContext, source: SourceId, line: string): Promise<void> {
    const { statement } = await this.#upload(ctx, source, line);
    const work = { id: statement.id, attempt: 1, signal: new AbortController().signal, finish: async () => undefined };
    await this.app.get(StatementIngest).run(ctx, statement.id, work);
    const { shardId } = await this.databases.sharding.tenants.byId(ctx.tenant.id);
    const sql = 'delete from outbox where tenant_id = $1 and name = $2';
    await this.databases.asAdmin(shardId, sql, [ctx.tenant.id, ingestStatement.name]);
  }

  async #source(ctx: TenantContext, code: string) {
    return (await this.app.get(SourcesService).create(ctx, sourceOf(code))).id;
  }
}

const modulesOf = (settings: Settings, log: Log) => [
  TelemetryModule.forRoot(settings.telemetry, { app: 'asking', version: '0' }, log),
  RedisModule.forRoot(settings.redis),
  CryptoModule.forRoot(settings.crypto),
  ShardingModule.forRoot({ sharding: settings.sharding, database: settings.database, applicationName: 'asking' }),
  QueuesModule.forRoot({ jobs: [...identityJobs, ...reconciliationJobs], facts: reconciliationFacts }),
  AuditModule,
  IdentityModule.forRoot(settings.identity),
  ReconciliationModule,
];

async function* bytesOf(text: string): AsyncGenerator<Buffer> {
  yield Buffer.from(text);
}

const sourceOf = (code: string): NewSource => ({
  code,
  name: code,
  kind: 'pos',
  mapping: {
    externalId: 'Id',
    date: 'Date',
    amount: 'Amount',
    reference: 'Reference',
    memo: 'Memo',
    dateFormat: 'YYYY-MM-DD',
    decimal: '.',
    currency: 'USD',
    sign: 'as_is',
  },
});
