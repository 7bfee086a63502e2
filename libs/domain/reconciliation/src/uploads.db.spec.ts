import { FixedClock, isAppError, newId, type SessionId, type TenantContext, type UserId } from '#infra/kernel';
import { openTestDatabases, type TestDatabases } from '#infra/testing';
import { committed, countsOf, csvOf, everythingOf, received, statusOf, till } from '../test/files.js';
import { again, attemptAt, chunksOf, openServices, type Services } from '../test/registry.js';
import { removeAbandonedUploads } from './abandoned-uploads.js';
import type { RunId } from './run.js';
import type { SourceId } from './source.js';
import { type StatementId, statementLimits } from './statement.js';

const start = Date.parse('2026-11-20T12:00:00Z');
const hourMs = 3_600_000;
const clock = new FixedClock(start);
const firstPage = { limit: 50, after: null };

let db: TestDatabases;
let services: Services;
let ctx: TenantContext;
let source: SourceId;
beforeAll(async () => {
  db = await openTestDatabases({ clock });
  services = openServices(db);
});
beforeEach(async () => {
  clock.set(start);
  ctx = await db.newTenant({ shardId: 'shard-1' });
  source = (await services.sources.create(again(ctx), till())).id;
});
afterAll(() => db?.close());

const codeOf = async (act: Promise<unknown>): Promise<string> =>
  act.then(
    () => 'done',
    (error: unknown) => (isAppError(error) ? error.code : String(error)),
  );
const partsOf = async (): Promise<number> => (await countsOf(db, ctx)).recon_upload_part ?? -1;
const sweep = async (limit = 100): Promise<number> => {
  const swept = await db.sharding.eachShard(again(ctx), (system) => removeAbandonedUploads(system, clock.now(), limit));
  expect(swept.filter(({ error }) => error !== undefined)).toEqual([]);
  return swept.reduce((sum, { value = 0 }) => sum + value, 0);
};
/** An upload whose process ends before it has heard of the end. */
async function stuckUpload(): Promise<void> {
  async function* unfinished(): AsyncGenerator<Buffer> {
    yield Buffer.alloc(2 * statementLimits.partBytes);
    await new Promise(() => undefined);
  }
  const before = await partsOf();
  void services.uploads.receive(again(ctx), source, unfinished());
  while ((await partsOf()) < before + 2);
}

describe('an upload', () => {
  it('takes bytes no faster than its parts are stored, and holds less than two of them', async () => {
    const aheadOf: number[] = [];
    async function* watched(): AsyncGenerator<Buffer> {
      for (let sent = 0; sent < 8 * statementLimits.partBytes; sent += 32 * 1024) {
        aheadOf.push(sent - (await partsOf()) * statementLimits.partBytes);
        yield Buffer.alloc(32 * 1024, 'a');
      }
    }
    const { statement } = await services.uploads.receive(again(ctx), source, watched());
    expect([statement.bytes, await partsOf()]).toEqual([8 * statementLimits.partBytes, 8]);
    expect(Math.max(...aheadOf)).toBeLessThan(2 * statementLimits.partBytes);
  });

  it('that its sender breaks off leaves no row, and the next one begins anew', async () => {
    async function* broken(): AsyncGenerator<Buffer> {
      yield Buffer.alloc(3 * statementLimits.partBytes);
      throw new Error('the socket is gone');
    }
    const before = await countsOf(db, ctx);
    expect(await codeOf(services.uploads.receive(again(ctx), source, broken()))).toMatch('the socket is gone');
    expect(await countsOf(db, ctx)).toEqual(before);
    expect((await services.statements.list(again(ctx), firstPage, source)).items).toEqual([]);
    expect((await committed(services, ctx, source, csvOf('a,2026-03-01,1.00,,'))).status).toBe('committed');
  });

  it('whose process ended is removed a day later, parts and all; younger ones and whole ones stay', async () => {
    await stuckUpload();
    const whole = await received(services, ctx, source, csvOf('a,2026-03-01,1.00,,'));
    clock.advance(2 * hourMs);
    await stuckUpload();
    clock.set(start + 24 * hourMs);
    expect([await sweep(), await partsOf()]).toEqual([0, 5]);
    clock.advance(1);
    expect([await sweep(), await partsOf()]).toEqual([1, 3]);
    expect(await statusOf(services, ctx, whole)).toBe('received');
    clock.advance(2 * hourMs);
    expect([await sweep(), await sweep(), await partsOf()]).toEqual([1, 0, 1]);
  });

  it('that was abandoned is removed in batches', async () => {
    for (let n = 0; n < 3; n += 1) await stuckUpload();
    clock.advance(25 * hourMs);
    expect([await sweep(2), await sweep(2), await sweep(2), await partsOf()]).toEqual([2, 1, 0, 0]);
  });

  it('is refused where the source is nobody’s, or the file has no byte', async () => {
    const other = await db.newTenant({ shardId: 'shard-1' });
    const csv = csvOf('a,2026-03-01,1.00,,');
    expect(await codeOf(received(services, other, source, csv))).toBe('source.not_found');
    expect(await codeOf(received(services, ctx, source, ''))).toBe('statement.empty');
    expect(await countsOf(db, ctx)).toMatchObject({ recon_upload_part: 0 });
  });
});

describe('what a file says', () => {
  const secret = 'Zebulon Quirkheim';
  const lines = [`${secret}-1,2026-03-01,1.00,${secret},${secret}`, `${secret}-2,never,${secret},${secret},${secret}`];

  it('is sealed in every column that holds it: parts, records and rejected rows', async () => {
    const id = await received(services, ctx, source, csvOf(...lines));
    const waiting = await everythingOf(db, ctx);
    expect(await partsOf()).toBe(1);
    const { sha256 } = await services.statements.read(again(ctx), id);
    await services.ingest.run(again(ctx), id, attemptAt());
    const stored = await everythingOf(db, ctx);
    for (const text of [waiting, stored]) {
      for (const trace of ['zebulon', 'quirkheim']) expect(text.toLowerCase()).not.toContain(trace);
      expect(text).not.toContain(Buffer.from(String(sha256), 'hex').toString('latin1'));
      expect(text).not.toContain(String(sha256));
    }
    const { items } = await services.statements.records(again(ctx), id, firstPage);
    expect(items).toMatchObject([{ externalId: `${secret}-1`, reference: secret, memo: secret }]);
    const rejected = await services.statements.rejectedRows(again(ctx), id, firstPage);
    expect(rejected.items).toMatchObject([{ code: 'bad_date', raw: lines[1] }]);
  });

  it('looks different in the rows of two tenants, and is nothing to the other one', async () => {
    const other = await db.newTenant({ shardId: 'shard-1' });
    const theirs = (await services.sources.create(again(other), till())).id;
    const csv = csvOf(...lines);
    const { id } = await committed(services, ctx, source, csv);
    await committed(services, other, theirs, csv);
    const keys = async ({ tenant }: TenantContext) =>
      db.asAdmin<{ key: string; row: string; file: string }>(
        'shard-1',
        `select encode(key_hash, 'hex') as key, encode(row_hash, 'hex') as row,
                (select encode(content_hash, 'hex') from recon_statement s where s.id = r.statement_id) as file
           from recon_record r where tenant_id = $1`,
        [tenant.id],
      );
    const [[mine], [foreign]] = [await keys(ctx), await keys(other)];
    for (const column of ['key', 'row', 'file'] as const) expect(mine?.[column]).not.toBe(foreign?.[column]);
    expect(await codeOf(services.sources.read(again(other), source))).toBe('source.not_found');
    expect(await codeOf(services.statements.read(again(other), id))).toBe('statement.not_found');
    expect(await codeOf(services.statements.records(again(other), id, firstPage))).toBe('statement.not_found');
    expect(await codeOf(services.statements.rejectedRows(again(other), id, firstPage))).toBe('statement.not_found');
    expect(await codeOf(services.statements.list(again(other), firstPage, source))).toBe('source.not_found');
    expect(await codeOf(services.ingest.run(again(other), id, attemptAt()))).toBe('statement.not_found');
    const { items } = await services.statements.list(again(other), firstPage, null);
    expect(items.map(({ sourceId }) => sourceId)).toEqual([theirs]);
  });

  it('is read by nobody without the permission, and every reading is on record with what it showed', async () => {
    const { id } = await committed(services, ctx, source, csvOf(...lines));
    const actor = (...permissions: string[]) =>
      again(ctx, {
        actor: { kind: 'user', id: newId<UserId>(), sessionId: newId<SessionId>(), permissions: new Set(permissions) },
      });
    const nobody = actor('patients.read');
    const reader = actor('reconciliation.read');
    for (const refused of [
      services.sources.create(reader, till('other')),
      services.uploads.receive(reader, source, chunksOf('x')),
      services.runs.start(reader, { leftSourceId: source, rightSourceId: source, ladder: [], from: null, to: null }),
      services.sources.read(nobody, source),
      services.sources.list(nobody, firstPage),
      services.statements.read(nobody, id as StatementId),
      services.statements.list(nobody, firstPage, null),
      services.statements.records(nobody, id, firstPage),
      services.statements.rejectedRows(nobody, id, firstPage),
      services.runs.list(nobody, firstPage),
      services.runs.read(nobody, id as string as RunId),
      services.runs.matches(nobody, id as string as RunId, firstPage),
      services.runs.unmatched(nobody, id as string as RunId, 'left', firstPage),
    ])
      expect(await codeOf(refused)).toBe('reconciliation.forbidden');
    const asked = again(ctx);
    const { items } = await services.statements.records(asked, id, firstPage);
    const told = await db.asAdmin<{ action: string; subject: string }>(
      'shard-1',
      `select e.action, s.subject_id::text as subject from audit_event e join audit_subject s on s.event_id = e.id
        where e.tenant_id = $1 and e.request_id = $2`,
      [ctx.tenant.id, asked.requestId],
    );
    expect(told).toEqual([{ action: 'reconciliation.read_records', subject: items[0]?.id }]);
  });
});
