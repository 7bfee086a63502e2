import { FixedClock, type TenantContext } from '#infra/kernel';
import type { Work } from '#infra/queues';
import { openTestDatabases, type TestDatabases } from '#infra/testing';
import { committed, countsOf, csvOf, keysOf, received, statusOf, till } from '../test/files.js';
import {
  again,
  attemptAt,
  attemptCutOff,
  attemptStoppedAt,
  chunksOf,
  openServices,
  type Services,
} from '../test/registry.js';
import type { SourceId } from './source.js';
import { type StatementId, statementLimits } from './statement.js';

const firstPage = { limit: 50, after: null };
let db: TestDatabases;
let services: Services;
let ctx: TenantContext;
let source: SourceId;
beforeAll(async () => {
  const clock = new FixedClock(Date.parse('2026-11-20T12:00:00Z'));
  // A process has two connections for bulk work; more than two attempts at once wait for each other.
  db = await openTestDatabases({ clock, env: { DB_ACQUIRE_TIMEOUT: '30000' } });
  services = openServices(db);
});
beforeEach(async () => {
  ctx = await db.newTenant({ shardId: 'shard-1' });
  source = (await services.sources.create(again(ctx), till())).id;
});
afterAll(() => db?.close());

const ingest = (id: StatementId, work: Work = attemptAt()) => services.ingest.run(again(ctx), id, work);

/** Four parts: records, one row that is sent twice, one that is none; no part ends where a row does. */
const rows = 12_000;
const memo = 'a memo that makes the row somewhat longer in été';
const large = csvOf(
  ...Array.from({ length: rows }, (_, n) => `T-${n},2026-03-${String(1 + (n % 28)).padStart(2, '0')},${n}.07,,${memo}`),
  `T-5,2026-03-06,5.07,,${memo}`,
  `T-none,no day,1.00,,${memo}`,
);
const sum = Array.from({ length: rows }, (_, n) => n * 100 + 7).reduce((a, b) => a + b, 0);
const whole = {
  lines: rows + 2,
  blankLines: 0,
  accepted: { count: rows, minor: sum },
  duplicates: { count: 1, minor: 507 },
  rejected: { count: 1 },
  firstDate: '2026-03-01',
  lastDate: '2026-03-28',
};
const untouched = { recon_record: 0, recon_rejected_row: 0, facts: 0 };
const done = { recon_record: rows, recon_rejected_row: 1, recon_upload_part: 0, facts: 1 };

describe('an ingest that is stopped', () => {
  let id: StatementId;
  let parts: number;
  beforeEach(async () => {
    id = await received(services, ctx, source, large);
    parts = Math.ceil(Buffer.byteLength(large) / statementLimits.partBytes);
    expect(parts).toBe(4);
  });

  const expectNothing = async () => {
    expect(await countsOf(db, ctx)).toMatchObject({ ...untouched, recon_upload_part: parts });
    expect(await statusOf(services, ctx, id)).toBe('received');
  };
  const expectWhole = async () => {
    expect(await countsOf(db, ctx)).toMatchObject(done);
    const { status, totals, progress } = await services.statements.read(again(ctx), id);
    expect({ status, totals }).toEqual({ status: 'committed', totals: whole });
    expect(progress).toEqual({ bytes: Buffer.byteLength(large), lines: rows + 2 });
  };

  it.each([
    ['before its first part', () => attemptStoppedAt(1)],
    ['in the middle of the file', () => attemptStoppedAt(3)],
    ['when all is written, before the commit', () => attemptAt(1, () => Promise.reject(new Error('stopped')))],
    ['by the loss of its connection', () => attemptCutOff(db)],
  ])('%s leaves nothing of itself, and the next attempt brings everything, once', async (_, work) => {
    await expect(ingest(id, work())).rejects.toThrow();
    await expectNothing();
    await ingest(id);
    await expectWhole();
  });

  it('after its commit, before anybody heard of it, does nothing when it is delivered again', async () => {
    await ingest(id);
    await expectWhole();
    const finished: string[] = [];
    await ingest(
      id,
      attemptAt(2, async () => void finished.push(id)),
    );
    expect(finished).toEqual([]);
    await expectWhole();
  });

  it('never, but delivered three times at once, is done by one of the three', async () => {
    const finished: string[] = [];
    const work = () => attemptAt(1, async () => void finished.push(id));
    await Promise.all([ingest(id, work()), ingest(id, work()), ingest(id, work())]);
    expect(finished).toEqual([id]);
    await expectWhole();
  });

  it('for good, after its last attempt, says so on the statement, and the same file may be sent again', async () => {
    const attemptAgain = (attempt: number) => ingest(id, { ...attemptStoppedAt(2), attempt });
    for (const attempt of [1, 2, 3, 4]) await expect(attemptAgain(attempt)).rejects.toThrow('stopped');
    await expectNothing();
    await expect(attemptAgain(5)).rejects.toThrow('stopped');
    const failed = await services.statements.read(again(ctx), id);
    expect(failed).toMatchObject({ status: 'failed', refusal: { code: 'job.failed' }, totals: null });
    expect(await countsOf(db, ctx)).toMatchObject({ ...untouched, recon_upload_part: 0 });
    const { statement, known } = await services.uploads.receive(again(ctx), source, chunksOf(large));
    expect([known, statement.id === id]).toEqual([false, false]);
    await ingest(statement.id);
    expect(await countsOf(db, ctx)).toMatchObject(done);
  });
});

describe('an ingest', () => {
  it('tells how far it has come while nothing of it can be seen', async () => {
    const id = await received(services, ctx, source, large);
    const seen: unknown[] = [];
    await ingest(
      id,
      attemptAt(1, async () => {
        const { status, progress } = await services.statements.read(again(ctx), id);
        const { items } = await services.statements.records(again(ctx), id, firstPage);
        seen.push(status, items.length, progress.bytes >= statementLimits.partBytes, progress.lines > 1_000);
      }),
    );
    expect(seen).toEqual(['received', 0, true, true]);
  });

  it('of files that overlap, at the same time and in any order, brings each row once', async () => {
    const line = (n: number) => `R-${n},2026-03-01,${n}.00,,`;
    const twin = ',2026-03-02,199.00,,Membership';
    const files = [
      csvOf(line(1), line(2), twin, twin),
      csvOf(twin, line(2), line(3)),
      csvOf(line(4), line(3), twin, line(1), twin, twin),
    ];
    const ids: StatementId[] = [];
    for (const csv of files) ids.push(await received(services, ctx, source, csv));
    await Promise.all(ids.map((id) => ingest(id)));
    const once = (await services.sources.create(again(ctx), till('whole'))).id;
    await committed(services, ctx, once, csvOf(line(1), line(2), line(3), line(4), twin, twin, twin));
    const shown = async (of: SourceId) => (await keysOf(db, ctx, of)).map((key) => key.split('|').slice(1).join('|'));
    expect((await shown(source)).sort()).toEqual((await shown(once)).sort());
    const totals = await Promise.all(ids.map(async (id) => (await services.statements.read(again(ctx), id)).totals));
    expect(totals.map((each) => each?.accepted.count ?? 0).reduce((a, b) => a + b)).toBe(7);
    expect(totals.map((each) => each?.lines)).toEqual([4, 3, 6]);
  });

  it('rejects a row whose id was used for another, in this file or an earlier one, and keeps what was said first', async () => {
    await committed(services, ctx, source, csvOf('A,2026-03-01,1.00,,first'));
    const { id, totals } = await committed(
      services,
      ctx,
      source,
      csvOf('A,2026-03-01,2.00,,second', 'B,2026-03-01,3.00,,', 'B,2026-03-02,3.00,,'),
    );
    expect(totals).toMatchObject({ lines: 3, accepted: { count: 1, minor: 300 }, rejected: { count: 2 } });
    const { items } = await services.statements.rejectedRows(again(ctx), id, firstPage);
    expect(items.map(({ line, code }) => [line, code])).toEqual([
      [2, 'external_id_conflict'],
      [4, 'external_id_conflict'],
    ]);
  });

  it('refuses a file without a header, and finishes its job in the same transaction', async () => {
    const id = await received(services, ctx, source, '\n\n');
    const finished: string[] = [];
    await ingest(
      id,
      attemptAt(1, async () => void finished.push(id)),
    );
    const { status, refusal } = await services.statements.read(again(ctx), id);
    expect([status, refusal, finished]).toEqual(['rejected', { code: 'no_header', columns: [] }, [id]]);
    await expect(
      ingest(
        await received(services, ctx, source, '\n'),
        attemptAt(1, () => Promise.reject(new Error('stopped'))),
      ),
    ).rejects.toThrow('stopped');
    expect(await countsOf(db, ctx)).toMatchObject({ recon_upload_part: 1, ...untouched });
  });

  it('whose parts are not all there changes nothing', async () => {
    const id = await received(services, ctx, source, large);
    await db.asAdmin('shard-1', 'delete from recon_upload_part where statement_id = $1 and part_no = 3', [id]);
    await expect(ingest(id)).rejects.toMatchObject({ code: 'reconciliation.not_conserved' });
    expect(await countsOf(db, ctx)).toMatchObject(untouched);
  });

  it('leaves records that the application’s role can neither change nor remove', async () => {
    await committed(services, ctx, source, csvOf('A,2026-03-01,1.00,,'));
    for (const sql of ['update recon_record set amount_minor = 2', 'delete from recon_record'])
      for (const as of ['asApp', 'asAdmin'] as const) await expect(db[as]('shard-1', sql)).rejects.toThrow();
  });
});
