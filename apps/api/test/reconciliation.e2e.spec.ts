import { createHash } from 'node:crypto';
import { waitUntil } from '#infra/testing';
import { csvOf, header, newSource } from './house/books.js';
import { join } from './house/world.js';
import { Bench, usd } from './reconciliation-bench.js';
import type { Client } from './reconciliation-client.js';

const mebibyte = 1024 * 1024;
const maxFileBytes = 50 * mebibyte;

let bench: Bench;
let client: Client;

beforeAll(async () => {
  bench = await Bench.open();
  client = bench.client;
}, 60_000);
afterAll(() => bench?.stop());

const stored = async (sourceId: string) =>
  bench.api.db.asAdmin<{ status: string; parts: number }>(
    'shard-1',
    `select s.status, (select count(*)::int from recon_upload_part p where p.statement_id = s.id) as parts
       from recon_statement s where source_id = $1`,
    [sourceId],
  );
describe('a file', () => {
  it('arrives in pieces, becomes records in the background, and is accounted for to the cent', async () => {
    const sourceId = await bench.newSourceId();
    const csv = csvOf(
      'T-1,2026-03-02,"1,234.56",INV 1,"Filler, 1 ml"',
      'T-2,2026-03-01,(12.00),INV 2,Refund',
      'T-1,2026-03-02,1234.56,INV 1,"Filler, 1 ml"',
      '',
      'T-3,2026-03-03,0.01,,"two\nlines"',
      'T-1,2026-03-02,1.00,INV 1,other',
      'T-4,2026-02-30,5.00,,',
      'T-5,2026-03-01,5.005,,',
      'T-6,2026-03-01,,,',
    );
    const pieces = [...Buffer.from(csv)].map((byte) => Buffer.from([byte]));
    const sent = await client.stream(sourceId, pieces);
    const sha256 = createHash('sha256').update(csv).digest('hex');
    expect(sent.status).toBe(202);
    expect(sent.json).toMatchObject({ sourceId, status: 'received', bytes: csv.length, sha256, totals: null });
    await bench.doOneJob();

    const { json } = await client.get(`statements/${sent.json.id}`);
    expect(json).toMatchObject({
      status: 'committed',
      sha256,
      progress: { bytes: csv.length, lines: 8 },
      refusal: null,
    });
    expect(json.totals).toEqual({
      lines: 8,
      blankLines: 1,
      accepted: { count: 3, sum: usd(123_456 - 1_200 + 1) },
      duplicates: { count: 1, sum: usd(123_456) },
      rejected: { count: 4 },
      firstDate: '2026-03-01',
      lastDate: '2026-03-03',
    });
    const records = (await client.get(`statements/${sent.json.id}/records`)).json.data;
    const place = { id: expect.any(String), statementId: sent.json.id };
    expect(records).toEqual([
      {
        ...place,
        line: 2,
        date: '2026-03-02',
        amount: usd(123_456),
        externalId: 'T-1',
        reference: 'INV 1',
        memo: 'Filler, 1 ml',
      },
      {
        ...place,
        line: 3,
        date: '2026-03-01',
        amount: usd(-1_200),
        externalId: 'T-2',
        reference: 'INV 2',
        memo: 'Refund',
      },
      { ...place, line: 6, date: '2026-03-03', amount: usd(1), externalId: 'T-3', reference: null, memo: 'two\nlines' },
    ]);
    expect((await client.get(`statements/${sent.json.id}/rejected-rows`)).json.data).toEqual([
      { line: 8, code: 'external_id_conflict', raw: 'T-1,2026-03-02,1.00,INV 1,other' },
      { line: 9, code: 'bad_date', raw: 'T-4,2026-02-30,5.00,,' },
      { line: 10, code: 'bad_amount', raw: 'T-5,2026-03-01,5.005,,' },
      { line: 11, code: 'amount_missing', raw: 'T-6,2026-03-01,,,' },
    ]);
  });

  it('is paged through by line, each record and each rejected row once', async () => {
    const sourceId = await bench.newSourceId();
    const lines = Array.from({ length: 5 }, (_, n) => [`P-${n},2026-03-01,1.00,,`, `,no day,1.00,,row ${n}`]).flat();
    const { id } = await bench.taken(sourceId, csvOf(...lines));
    for (const list of ['records', 'rejected-rows']) {
      const seen: number[] = [];
      for (let query = '?limit=2'; query !== ''; ) {
        const { json } = await client.get(`statements/${id}/${list}${query}`);
        seen.push(...json.data.map(({ line }: { line: number }) => line));
        query = json.page.nextCursor === null ? '' : `?limit=2&cursor=${encodeURIComponent(json.page.nextCursor)}`;
      }
      expect(seen).toEqual(list === 'records' ? [2, 4, 6, 8, 10] : [3, 5, 7, 9, 11]);
    }
  });

  it('may hold amounts up to 2^53−1 minor units, and is refused as a whole where their sum goes beyond', async () => {
    const sourceId = await bench.newSourceId();
    const most = csvOf('M-1,2026-03-01,90071992547409.91,,', 'M-2,2026-03-01,-90071992547409.91,,');
    const { id, totals } = await bench.taken(sourceId, most);
    expect(totals.accepted).toEqual({ count: 2, sum: usd(0) });
    const { data: items } = (await client.get(`statements/${id}/records`)).json;
    expect(items[0].amount).toEqual(usd(Number.MAX_SAFE_INTEGER));
    const beyond = await bench.taken(sourceId, csvOf('M-3,2026-03-01,90071992547409.91,,', 'M-4,2026-03-01,0.01,,'));
    expect(beyond).toMatchObject({ status: 'rejected', refusal: { code: 'sum_too_large' }, totals: null });
    expect((await client.get(`statements/${beyond.id}/records`)).json.data).toEqual([]);
  });

  it('sent twice is one statement: 200 and the same, before its job and after it, and the job is one', async () => {
    const sourceId = await bench.newSourceId();
    const csv = csvOf('D-1,2026-03-01,7.00,,');
    const before = await bench.jobs();
    const answers = await Promise.all(Array.from({ length: 4 }, () => client.upload(sourceId, csv)));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 200, 200, 202]);
    const [id, ...others] = new Set(answers.map(({ json }) => json.id));
    expect([others, (await bench.jobs()) - before]).toEqual([[], 1]);
    await bench.doOneJob();
    const late = await client.upload(sourceId, csv);
    expect([late.status, late.json.id, late.json.status]).toEqual([200, id, 'committed']);
    expect(late.json.totals.accepted).toEqual({ count: 1, sum: usd(700) });
    expect(await stored(sourceId)).toEqual([{ status: 'committed', parts: 0 }]);
    expect((await client.upload(await bench.newSourceId(), csv)).status).toBe(202);
    await bench.doOneJob();
  });

  it('that overlaps an earlier one brings what is new in it; rows without an id count as often as they stand there', async () => {
    const sourceId = await bench.newSourceId();
    const twin = ',2026-03-01,199.00,,Membership';
    const first = await bench.taken(sourceId, csvOf('O-1,2026-03-01,5.00,,', twin, twin));
    expect(first.totals.accepted).toEqual({ count: 3, sum: usd(40_300) });
    const second = await bench.taken(
      sourceId,
      csvOf(twin, 'O-2,2026-03-02,6.00,,', twin, twin, 'O-1,2026-03-01,5.00,,'),
    );
    expect(second.totals).toMatchObject({
      lines: 5,
      accepted: { count: 2, sum: usd(20_500) },
      duplicates: { count: 3, sum: usd(40_300) },
    });
  });

  it('whose header lacks a column is rejected, names the columns, and may be sent again', async () => {
    const sourceId = await bench.newSourceId();
    const csv = 'Id,Day,Amount,Memo\r\nC-1,2026-03-01,1.00,x\r\n';
    const refused = await bench.taken(sourceId, csv);
    expect(refused).toMatchObject({
      status: 'rejected',
      refusal: { code: 'columns_missing', columns: ['Date', 'Reference'] },
      totals: null,
    });
    expect(await stored(sourceId)).toEqual([{ status: 'rejected', parts: 0 }]);
    const again = await bench.taken(sourceId, csv);
    expect([again.status, again.id === refused.id]).toEqual(['rejected', false]);
    const twice = await bench.taken(sourceId, `${header},Amount\r\nC-1,2026-03-01,1.00,,x,2.00\r\n`);
    expect(twice.refusal).toEqual({ code: 'columns_repeated', columns: ['Amount'] });
  });

  it('of another medium, compressed, or without a byte is refused before anything is stored', async () => {
    const sourceId = await bench.newSourceId();
    const csv = csvOf('W-1,2026-03-01,1.00,,');
    const wrong: readonly Record<string, string>[] = [
      { 'content-type': 'application/json' },
      { 'content-type': 'text/plain' },
      { 'content-type': 'multipart/form-data; boundary=x' },
      { 'content-encoding': 'gzip' },
    ];
    for (const headers of wrong) {
      const { status, json } = await client.upload(sourceId, csv, headers);
      expect([status, json.code]).toEqual([415, 'request.unsupported_media_type']);
    }
    const empty = await client.upload(sourceId, '');
    expect([empty.status, empty.json.code]).toEqual([422, 'statement.empty']);
    expect(await stored(sourceId)).toEqual([]);
    const typed = await client.upload(sourceId, csv, { 'content-type': 'Text/CSV; charset=utf-8' });
    expect(typed.status).toBe(202);
    await bench.doOneJob();
    const elsewhere = await client.post('runs', csv, { 'content-type': 'text/csv' });
    expect([elsewhere.status, elsewhere.json.code]).toEqual([415, 'request.unsupported_media_type']);
  });

  it('that breaks off leaves nothing, and the caller who went away is no failure of ours', async () => {
    const sourceId = await bench.newSourceId();
    const from = bench.api.logLines.length;
    const call = client.openUpload(sourceId, { 'content-length': 3 * mebibyte });
    call.on('error', () => undefined);
    call.write(Buffer.alloc(mebibyte, 'x'));
    expect(await waitUntil(async () => ((await stored(sourceId))[0]?.parts ?? 0) > 1, 10_000)).toBe(true);
    call.destroy();
    expect(await waitUntil(async () => (await stored(sourceId)).length === 0, 10_000)).toBe(true);
    const left = await bench.api.db.asAdmin('shard-1', 'select from recon_upload_part');
    expect(left).toEqual([]);
    const lines = () => bench.api.logLines.slice(from);
    expect(await waitUntil(async () => lines().some((line) => line.includes('status_code":499')), 10_000)).toBe(true);
    expect(lines().filter((line) => line.includes('request.failed'))).toEqual([]);
  });

  it('may be sent only by whoever manages reconciliation; who may not is told before a byte is read', async () => {
    const sourceId = await bench.newSourceId();
    const { side } = bench;
    const nurse = await join(bench.api, side.ctx, side.slug, ['nurse']);
    const billing = await join(bench.api, side.ctx, side.slug, ['billing']);
    const asNurse = client.as(nurse.token);
    const refused = await asNurse.stream(sourceId, [Buffer.from('x')], {
      hold: true,
      headers: { 'content-length': mebibyte },
    });
    expect([refused.status, refused.json.code, refused.headers.connection]).toEqual([403, 'access.denied', 'close']);
    for (const path of ['sources', `sources/${sourceId}`, 'statements', 'runs', `runs/${side.runId}/matches`])
      expect([path, (await asNurse.get(path)).status]).toEqual([path, 403]);
    expect((await asNurse.post('sources', newSource())).status).toBe(403);
    expect((await asNurse.post('runs', {})).status).toBe(403);
    expect((await client.as(billing.token).upload(sourceId, csvOf('N-1,2026-03-01,1.00,,'))).status).toBe(202);
    await bench.doOneJob();
    expect(await stored(sourceId)).toEqual([{ status: 'committed', parts: 0 }]);
  });
});

describe('the limit of a body', () => {
  const piece = Buffer.alloc(mebibyte, 'a,b,c,d,e\n');
  const pieces = function* (count: number, ...rest: readonly Buffer[]): Generator<Buffer> {
    for (let n = 0; n < count; n += 1) yield piece;
    yield* rest;
  };

  it('[D-014] is 50 MB where files are uploaded, one byte more is 413 announced or not, and 1 MB where JSON is read', async () => {
    const sourceId = await bench.newSourceId();
    const whole = await client.stream(sourceId, pieces(50));
    expect([whole.status, whole.json.bytes]).toEqual([202, maxFileBytes]);
    const [kept] = await stored(sourceId);
    expect(kept).toEqual({ status: 'received', parts: 200 });

    const announced = await client.stream(sourceId, [piece], {
      hold: true,
      headers: { 'content-length': maxFileBytes + 1 },
    });
    expect([announced.status, announced.json.code]).toEqual([413, 'request.too_large']);
    const counted = await client.stream(sourceId, pieces(50, Buffer.from('a')), { hold: true });
    expect([counted.status, counted.json.code, counted.headers.connection]).toEqual([
      413,
      'request.too_large',
      'close',
    ]);
    expect(await stored(sourceId)).toEqual([kept]);

    const padded = (bytes: number) => ({
      ...newSource(),
      name: 'x'.repeat(bytes - JSON.stringify({ ...newSource(), name: '' }).length),
    });
    const fits = await client.post('sources', padded(mebibyte));
    expect([fits.status, fits.json.code]).toEqual([422, 'request.invalid']);
    const tooLong = await client.post('sources', padded(mebibyte + 1));
    expect([tooLong.status, tooLong.json.code]).toEqual([413, 'request.too_large']);
  }, 60_000);

  afterAll(() => bench.doOneJob());
});
