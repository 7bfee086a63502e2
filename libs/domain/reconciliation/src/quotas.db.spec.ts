import { isAppError, type TenantContext } from '#infra/kernel';
import { openTestDatabases, type TestDatabases } from '#infra/testing';
import { committed, countsOf, csvOf, received, statusOf, till } from '../test/files.js';
import { again, attemptAt, openServices, type Services } from '../test/registry.js';
import type { SourceId } from './source.js';

let db: TestDatabases;
let services: Services;
beforeAll(async () => {
  db = await openTestDatabases();
  services = openServices(db);
});
afterAll(() => db?.close());

interface Books {
  readonly ctx: TenantContext;
  readonly source: SourceId;
}

async function newBooks(resource: 'orders' | 'storageBytes', limit: number): Promise<Books> {
  const ctx = await db.newTenant({ shardId: 'shard-1' });
  await db.sharding.tenants.changeQuota(ctx.tenant.id, resource, limit);
  return { ctx, source: (await services.sources.create(again(ctx), till())).id };
}
const sales = (from: number, count: number): string =>
  csvOf(...Array.from({ length: count }, (_, n) => `T-${from + n},2026-11-01,${n + 1}.00,REF ${from + n},sale`));
const used = async ({ ctx }: Books, resource: string): Promise<number | undefined> => {
  const sql = 'select used::int from quota_usage where tenant_id = $1 and resource = $2';
  return (await db.asAdmin<{ used: number }>('shard-1', sql, [ctx.tenant.id, resource]))[0]?.used;
};

describe('orders of a point of sale', () => {
  it('count as a file of them is read in, all at once', async () => {
    const books = await newBooks('orders', 20);
    await committed(services, books.ctx, books.source, sales(0, 12));
    expect(await used(books, 'orders')).toBe(12);
    await committed(services, books.ctx, books.source, sales(10, 10));
    expect(await used(books, 'orders')).toBe(20);
  });

  it('beyond the plan are none: their file is refused whole, and may be sent again', async () => {
    const books = await newBooks('orders', 20);
    const { ctx, source } = books;
    await committed(services, ctx, source, sales(0, 12));
    const refused = await committed(services, ctx, source, sales(12, 9));
    expect(refused).toMatchObject({
      status: 'rejected',
      refusal: { code: 'quota_exceeded', columns: [] },
      totals: null,
    });
    expect(await countsOf(db, ctx)).toMatchObject({ recon_record: 12, recon_upload_part: 0 });
    expect(await used(books, 'orders')).toBe(12);
    await db.sharding.tenants.changeQuota(ctx.tenant.id, 'orders', 21);
    expect(await committed(services, ctx, source, sales(12, 9))).toMatchObject({ status: 'committed' });
    expect(await used(books, 'orders')).toBe(21);
  });

  it('are what two files read in at once can have between them, and one of them gets it', async () => {
    const books = await newBooks('orders', 15);
    const { ctx, source } = books;
    const other = (await services.sources.create(again(ctx), till('second'))).id;
    const ends = await Promise.all(
      [source, other].map(async (each) => (await committed(services, ctx, each, sales(0, 10))).status),
    );
    expect(ends.toSorted()).toEqual(['committed', 'rejected']);
    expect(await used(books, 'orders')).toBe(10);
  });
});

describe('bytes of files', () => {
  it('count from the last byte until the file has become records', async () => {
    const books = await newBooks('storageBytes', 10_000);
    const { ctx, source } = books;
    const file = sales(0, 10);
    const id = await received(services, ctx, source, file);
    expect(await used(books, 'storageBytes')).toBe(Buffer.byteLength(file));
    expect((await received(services, ctx, source, file)) === id).toBe(true);
    expect(await used(books, 'storageBytes')).toBe(Buffer.byteLength(file));
    await services.ingest.run(again(ctx), id, attemptAt());
    expect(await used(books, 'storageBytes')).toBe(0);
  });

  it('are given back by a file that cannot be read', async () => {
    const books = await newBooks('storageBytes', 10_000);
    const id = await received(services, books.ctx, books.source, 'no,such\ncolumns,here\n');
    expect(await used(books, 'storageBytes')).toBeGreaterThan(0);
    await services.ingest.run(again(books.ctx), id, attemptAt());
    expect(await statusOf(services, books.ctx, id)).toBe('rejected');
    expect(await used(books, 'storageBytes')).toBe(0);
  });

  it('that the plan has no room for are refused, and nothing of the file stays', async () => {
    const books = await newBooks('storageBytes', 100);
    const sending = received(services, books.ctx, books.source, sales(0, 50));
    const refusal = await sending.catch((error: unknown) => error);
    expect(isAppError(refusal, 'quota.exceeded')).toBe(true);
    expect(await countsOf(db, books.ctx)).toMatchObject({ recon_upload_part: 0, facts: 0 });
  });
});
