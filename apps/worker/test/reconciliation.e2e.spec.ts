import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { INestApplicationContext } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  type Run,
  RunsService,
  type SourceId,
  SourcesService,
  type Statement,
  type StatementId,
  StatementsService,
  UploadService,
} from '#domain/reconciliation';
import type { TenantContext } from '#infra/kernel';
import { createLog } from '#infra/telemetry';
import { CompiledProduct, openTestDatabases, type TestDatabases, waitUntil } from '#infra/testing';
import { readSettings } from '../src/settings.js';
import { WorkerModule } from '../src/worker.module.js';

const identity = { app: 'worker', version: '0' };
const soonMs = 30_000;
/** A lock of a dead worker lasts a minute, and whoever looks for such locks does so twice a minute. */
const takenOverMs = 150_000;
const secret = 'Zebulon Quirkheim';

let databases: TestDatabases;
let compiled: CompiledProduct;
let env: Readonly<Record<string, string>>;
/** What the api has of the domain: it asks for jobs and does none. */
let asking: INestApplicationContext;
let ctx: TenantContext;
const workers: WorkerInItsProcess[] = [];

/** A worker as production runs it, and every line that it wrote. */
class WorkerInItsProcess {
  readonly lines: string[] = [];
  readonly #child: ChildProcess;

  constructor() {
    this.#child = spawn(process.execPath, [compiled.program('apps/worker/src/main.ts')], {
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [this.#child.stdout, this.#child.stderr])
      if (stream) createInterface({ input: stream }).on('line', (line) => void this.lines.push(line));
  }

  static async start(): Promise<WorkerInItsProcess> {
    const worker = new WorkerInItsProcess();
    workers.push(worker);
    const isReady = await waitUntil(async () => worker.wrote('worker.ready').length > 0, soonMs);
    if (!isReady) throw new Error(worker.lines.join('\n'));
    return worker;
  }

  wrote = (text: string): readonly string[] => this.lines.filter((line) => line.includes(text));

  async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<number | null> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return this.#child.exitCode;
    const exited = once(this.#child, 'exit');
    this.#child.kill(signal);
    return (await exited)[0];
  }
}

beforeAll(async () => {
  compiled = new CompiledProduct('apps', 'libs', 'migrations');
  databases = await openTestDatabases();
  await databases.redis.ready('queues', soonMs);
  await databases.redis.get('queues').flushdb();
  env = {
    ...databases.env,
    LOG_LEVEL: 'debug',
    MAIL_FOLDER: compiled.file('mails'),
    WORKER_PORT: '0',
    WORKER_HOST: '127.0.0.1',
    TOKEN_SIGNING_KEY: randomBytes(32).toString('base64'),
    APP_URL: 'https://app.praxis.example',
  };
  const log = createLog({ level: 'error', service: 'test' }, identity);
  const module = WorkerModule.forRoot(readSettings(env), identity, log);
  asking = await NestFactory.createApplicationContext(module, { logger: false });
}, 60_000);
afterEach(async () => {
  await Promise.all(workers.splice(0).map((worker) => worker.end('SIGTERM')));
});
afterAll(async () => {
  await asking?.close();
  await databases?.close();
  compiled?.remove();
});

beforeEach(async () => {
  ctx = await databases.newTenant({ shardId: 'shard-1' });
});

const again = (): TenantContext => ({ ...ctx, ...databases.newContext(), tenant: ctx.tenant });

async function newSource(code: string): Promise<SourceId> {
  const mapping = {
    externalId: 'Id',
    date: 'Date',
    amount: 'Amount',
    memo: 'Memo',
    dateFormat: 'YYYY-MM-DD',
    decimal: '.',
    currency: 'USD',
    sign: 'as_is',
  } as const;
  return (await asking.get(SourcesService).create(again(), { code, name: code, kind: 'pos', mapping })).id;
}

const fileOf = (side: string, rows: number): Buffer =>
  Buffer.from(
    ['Id,Date,Amount,Memo', ...Array.from({ length: rows }, (_, n) => `${side}-${n},2026-03-01,${n}.25,${secret} ${n}`)]
      .concat(`${side}-x,no day,1.00,${secret}`)
      .join('\r\n'),
  );

async function send(source: SourceId, file: Buffer): Promise<StatementId> {
  async function* bytes(): AsyncGenerator<Buffer> {
    yield file;
  }
  return (await asking.get(UploadService).receive(again(), source, bytes())).statement.id;
}
const statementOf = (id: StatementId): Promise<Statement> => asking.get(StatementsService).read(again(), id);
const runOf = (id: Run['id']): Promise<Run> => asking.get(RunsService).read(again(), id);
const jobs = () =>
  databases.asAdmin<{ name: string; outcome: string | null }>(
    'shard-1',
    `select name, outcome from outbox where tenant_id = $1 and kind = 'job' order by id`,
    [ctx.tenant.id],
  );
const done = (...names: readonly string[]) => names.map((name) => ({ name, outcome: 'done' }));
const countOf = async (table: 'recon_record' | 'recon_rejected_row'): Promise<number> => {
  const sql = `select count(*)::int as n from ${table} where tenant_id = $1`;
  return (await databases.asAdmin<{ n: number }>('shard-1', sql, [ctx.tenant.id]))[0]?.n ?? -1;
};
const factsOf = async (): Promise<readonly string[]> => {
  const sql = `select name from outbox where tenant_id = $1 and kind = 'fact'`;
  return (await databases.asAdmin<{ name: string }>('shard-1', sql, [ctx.tenant.id])).map(({ name }) => name);
};

describe('workers in processes of their own', () => {
  it('make records of files and match them, telling meanwhile how far they are, and name nobody in log or Redis', async () => {
    const running = [await WorkerInItsProcess.start(), await WorkerInItsProcess.start()];
    const [left, right] = [await newSource('till'), await newSource('bank')];
    const [file, other] = [fileOf('L', 20_000), fileOf('R', 500)];
    const id = await send(left, file);
    const seen: Statement['progress'][] = [];
    const committed = await waitUntil(async () => {
      const { status, progress } = await statementOf(id);
      if (status === 'received') seen.push(progress);
      return status === 'committed';
    }, soonMs);
    expect(committed).toBe(true);
    expect(seen.some(({ bytes, lines }) => bytes > 0 && bytes < file.length && lines > 0)).toBe(true);
    expect((await statementOf(id)).totals).toMatchObject({
      lines: 20_001,
      accepted: { count: 20_000, minor: 19_999_500_000 },
      rejected: { count: 1 },
    });

    const second = await send(right, other);
    expect(await waitUntil(async () => (await statementOf(second)).status === 'committed', soonMs)).toBe(true);
    const ladder = [[{ field: 'amount' }, { field: 'date' }]] as const;
    const asked = { leftSourceId: left, rightSourceId: right, ladder, from: null, to: null };
    const { run } = await asking.get(RunsService).start(again(), asked);
    expect(await waitUntil(async () => (await runOf(run.id)).status === 'completed', soonMs)).toBe(true);
    expect(await runOf(run.id)).toMatchObject({
      matches: 500,
      totals: { left: { matched: { count: 500 }, open: { count: 19_500 } }, right: { open: { count: 0, minor: 0 } } },
    });
    expect(await waitUntil(async () => (await jobs()).every(({ outcome }) => outcome === 'done'), soonMs)).toBe(true);
    expect(await jobs()).toEqual(done('reconciliation.ingest', 'reconciliation.ingest', 'reconciliation.run'));

    const redis = databases.redis.get('queues') as unknown as { dumpBuffer(key: string): Promise<Buffer> };
    const keys = await databases.redis.get('queues').keys('*');
    const dumps = await Promise.all(
      keys.map(async (key) => key + ((await redis.dumpBuffer(key)) ?? '').toString('latin1')),
    );
    const lines = running.flatMap((worker) => worker.lines);
    expect([
      dumps.some((text) => text.includes('reconciliation')),
      lines.some((line) => line.includes('job.ended')),
    ]).toEqual([true, true]);
    expect([...dumps, ...lines].filter((text) => /zebulon|quirkheim/i.test(text))).toEqual([]);
  }, 90_000);

  it('take over from one that was killed in the middle of a file: every row is there, once, and the job is done once', async () => {
    const victim = await WorkerInItsProcess.start();
    const file = fileOf('K', 60_000);
    const id = await send(await newSource('till'), file);
    expect(await waitUntil(async () => (await statementOf(id)).progress.bytes > 0, soonMs)).toBe(true);
    await victim.end('SIGKILL');
    expect([(await statementOf(id)).status, await countOf('recon_record')]).toEqual(['received', 0]);
    expect(await jobs()).toEqual([{ name: 'reconciliation.ingest', outcome: null }]);

    await WorkerInItsProcess.start();
    expect(await waitUntil(async () => (await statementOf(id)).status === 'committed', takenOverMs)).toBe(true);
    const { totals } = await statementOf(id);
    expect(totals).toMatchObject({ lines: 60_001, accepted: { count: 60_000 }, duplicates: { count: 0 } });
    expect([await countOf('recon_record'), await countOf('recon_rejected_row')]).toEqual([60_000, 1]);
    expect(await jobs()).toEqual(done('reconciliation.ingest'));
    expect(await factsOf()).toEqual(['statement.committed']);
  }, 240_000);
});
