import { newId } from '#infra/kernel';
import { csvOf } from './house/books.js';
import { Bench, usd } from './reconciliation-bench.js';
import type { Client, Told } from './reconciliation-client.js';

let bench: Bench;
let client: Client;

beforeAll(async () => {
  bench = await Bench.open();
  client = bench.client;
}, 60_000);
afterAll(() => bench?.stop());

describe('a run', () => {
  const amountAndDay = [{ field: 'amount' }, { field: 'date' }];
  const byReference = [{ field: 'reference' }];
  const ladder = [byReference, amountAndDay];
  const sourcesOf = async () => ({ leftSourceId: await bench.newSourceId(), rightSourceId: await bench.newSourceId() });

  async function done(asked: object): Promise<Told['json']> {
    const { status, json } = await client.post('runs', asked);
    expect([status, json.status]).toEqual([202, 'pending']);
    await bench.doOneJob();
    return (await client.get(`runs/${json.id}`)).json;
  }

  async function open(runId: string, which: 'left' | 'right') {
    const { json } = await client.get(`runs/${runId}/unmatched?side=${which}`);
    return json.data.map((item: Told['json']) => [item.externalId, item.amount.amountMinor, item.open.amountMinor]);
  }

  it('matches what is alike on both sides alone, leaves the rest open, and both add up to the cent', async () => {
    const sources = await sourcesOf();
    const left = await bench.taken(
      sources.leftSourceId,
      csvOf(
        'L-1,2026-03-01,240.00,T-1001,',
        'L-2,2026-03-01,60.00,,',
        'L-3,2026-03-02,199.00,,Membership',
        'L-4,2026-03-02,199.00,,Membership',
        'L-5,2026-03-03,-120.00,T-1005,',
        'L-6,2026-03-04,100.10,T-1006,',
      ),
    );
    await bench.taken(
      sources.rightSourceId,
      csvOf(
        'R-1,2026-03-05,240.00,t-1001,',
        'R-2,2026-03-01,60.00,,',
        'R-3,2026-03-02,199.00,,',
        'R-5,2026-03-03,120.00,T-1005,',
        'R-6,2026-03-04,97.20,T-1006,',
      ),
    );
    const run = await done({ ...sources, ladder });
    expect(run).toMatchObject({ status: 'completed', matches: 3, statements: 2, failure: null, from: null, to: null });
    expect(run.progress.phase).toBe('done');
    expect(run.totals).toEqual({
      left: {
        records: 6,
        sum: usd(67_810),
        matched: { count: 2, sum: usd(39_720) },
        open: { count: 4, sum: usd(28_090) },
      },
      right: {
        records: 5,
        sum: usd(71_620),
        matched: { count: 3, sum: usd(39_720) },
        open: { count: 2, sum: usd(31_900) },
      },
    });
    const { data: items } = (await client.get(`runs/${run.id}/matches`)).json;
    const pairs = items.map((each: Told['json']) => [
      each.rung,
      each.allocated.amountMinor,
      each.left.line,
      each.right.line,
    ]);
    expect(pairs.sort()).toEqual(
      [
        [1, 24_000, 2, 2],
        [1, 9_720, 7, 6],
        [2, 6_000, 3, 3],
      ].sort(),
    );
    expect(items[0].left).toMatchObject({
      statementId: left.id,
      recordId: expect.any(String),
      date: expect.any(String),
    });
    expect(await open(run.id, 'left')).toEqual([
      ['L-3', 19_900, 19_900],
      ['L-4', 19_900, 19_900],
      ['L-5', -12_000, -12_000],
      ['L-6', 10_010, 290],
    ]);
    expect(await open(run.id, 'right')).toEqual([
      ['R-3', 19_900, 19_900],
      ['R-5', 12_000, 12_000],
    ]);
  });

  it('asked for again is the same run, 200, and nothing new; a later file makes it another, which keeps what was matched', async () => {
    const sources = await sourcesOf();
    await bench.taken(sources.leftSourceId, csvOf('A-1,2026-03-01,10.00,X,', 'A-2,2026-03-02,20.00,Y,'));
    await bench.taken(sources.rightSourceId, csvOf('B-1,2026-03-01,10.00,X,'));
    const asked = { ...sources, ladder };
    const first = await done(asked);
    const before = await bench.jobs();
    const again = await client.post('runs', asked);
    expect([again.status, again.json]).toEqual([200, first]);
    expect(await bench.jobs()).toBe(before);

    await bench.taken(sources.rightSourceId, csvOf('B-2,2026-03-02,20.00,Y,', 'B-3,2026-03-01,10.00,X,'));
    const second = await done(asked);
    expect([second.id === first.id, second.matches, second.statements]).toEqual([false, 1, 3]);
    expect(second.totals).toMatchObject({
      left: { matched: { count: 2, sum: usd(3_000) }, open: { count: 0, sum: usd(0) } },
      right: { matched: { count: 2, sum: usd(3_000) }, open: { count: 1, sum: usd(1_000) } },
    });
    expect(await open(second.id, 'right')).toEqual([['B-3', 1_000, 1_000]]);
    expect(await open(first.id, 'left')).toEqual([['A-2', 2_000, 2_000]]);
    expect((await client.get(`runs/${first.id}`)).json).toEqual(first);
  });

  it('looks at the days that were asked for, the first and the last included', async () => {
    const sources = await sourcesOf();
    const days = ['2026-03-01', '2026-03-02', '2026-03-03', '2026-03-04'];
    await bench.taken(sources.leftSourceId, csvOf(...days.map((day, n) => `E-${n},${day},1${n}.00,,`)));
    await bench.taken(sources.rightSourceId, csvOf(...days.map((day, n) => `F-${n},${day},1${n}.00,,`)));
    const run = await done({ ...sources, ladder, from: '2026-03-02', to: '2026-03-03' });
    expect([run.matches, run.totals.left.records, run.totals.left.sum]).toEqual([2, 2, usd(2_300)]);
    const turned = await client.post('runs', { ...sources, ladder, from: '2026-03-03', to: '2026-03-02' });
    expect([turned.status, turned.json.errors]).toEqual([422, [{ pointer: '/to', detail: 'must not be before from' }]]);
  });

  it('is refused for one source, for two currencies, where a side has no file, and for a ladder that is none', async () => {
    const sources = await sourcesOf();
    const dollars = sources.leftSourceId;
    const refusal = async (words: object) => {
      const { status, json } = await client.post('runs', { ...sources, ladder, ...words });
      return [status, json.code];
    };
    expect(await refusal({ rightSourceId: dollars })).toEqual([422, 'run.one_source']);
    expect(await refusal({ rightSourceId: await bench.newSourceId('EUR') })).toEqual([422, 'run.currencies_differ']);
    expect(await refusal({ rightSourceId: newId() })).toEqual([404, 'source.not_found']);
    await bench.taken(dollars, csvOf('G-1,2026-03-01,1.00,,'));
    expect(await refusal({})).toEqual([409, 'run.nothing_committed']);
    for (const wrong of [[], [[]], [[{ field: 'patient' }]], [[{ field: 'date' }, { field: 'date' }]]])
      expect(await refusal({ ladder: wrong })).toEqual([422, 'request.invalid']);
  });

  it('has no matches to show until it is completed', async () => {
    const sources = await sourcesOf();
    await bench.taken(sources.leftSourceId, csvOf('H-1,2026-03-01,1.00,,'));
    await bench.taken(sources.rightSourceId, csvOf('I-1,2026-03-01,1.00,,'));
    const { json } = await client.post('runs', { ...sources, ladder });
    for (const path of ['matches', 'unmatched?side=left']) {
      const early = await client.get(`runs/${json.id}/${path}`);
      expect([early.status, early.json.code]).toEqual([409, 'run.not_completed']);
    }
    await bench.doOneJob();
    expect((await client.get(`runs/${json.id}/matches`)).json.data).toHaveLength(1);
  });

  it('sent again under its Idempotency-Key answers what it had answered', async () => {
    const sources = await sourcesOf();
    await bench.taken(sources.leftSourceId, csvOf('J-1,2026-03-01,1.00,,'));
    await bench.taken(sources.rightSourceId, csvOf('K-1,2026-03-01,1.00,,'));
    const key = { 'idempotency-key': newId() };
    const first = await client.post('runs', { ...sources, ladder }, key);
    await bench.doOneJob();
    const again = await client.post('runs', { ...sources, ladder }, key);
    expect([again.status, again.headers['idempotency-replayed'], again.json]).toEqual([202, 'true', first.json]);
  });

  it('[C-115] counts the days between both sides of each payment: number and 95th percentile as scripted', async () => {
    const sources = await sourcesOf();
    const day = (n: number) => `2026-05-${String(n).padStart(2, '0')}`;
    const seriesOf = async () => daysSeries((await bench.api.must({ method: 'GET', path: '/metrics' })).text);
    const before = await seriesOf();
    // 94 payments that took 1…10 days, and 6 that took 25.
    const lags = Array.from({ length: 100 }, (_, n) => (n < 94 ? 1 + (n % 10) : 25));
    await bench.taken(sources.leftSourceId, csvOf(...lags.map((_, n) => `S-${n},${day(1)},${n + 1}.00,PAY ${n},`)));
    await bench.taken(
      sources.rightSourceId,
      csvOf(...lags.map((lag, n) => `B-${n},${day(1 + lag)},${n + 1}.00,PAY ${n},`)),
    );
    const run = await done({ ...sources, ladder: [byReference] });
    expect(run.matches).toBe(100);
    const after = await seriesOf();
    const counted = after.map(({ le, count }, n) => ({ le, count: count - (before[n]?.count ?? 0) }));
    expect(counted.at(-1)?.count).toBe(100);
    const scripted = [...lags].sort((a, b) => a - b)[94] ?? 0;
    expect(Math.abs(quantile(counted, 0.95) - scripted) / scripted).toBeLessThanOrEqual(0.05);
  });
});

interface Bucket {
  readonly le: number;
  readonly count: number;
}

const daysSeries = (metrics: string): readonly Bucket[] =>
  [...metrics.matchAll(/^payment_processing_days_bucket\{.*?le="([^"]+)".*?\} (\d+)$/gm)].map(([, le, count]) => ({
    le: le === '+Inf' ? Number.POSITIVE_INFINITY : Number(le),
    count: Number(count),
  }));

/** As Prometheus does it: straight lines within a bucket. */
function quantile(buckets: readonly Bucket[], q: number): number {
  const rank = q * (buckets.at(-1)?.count ?? 0);
  const n = buckets.findIndex(({ count }) => count >= rank);
  const [below, here] = [buckets[n - 1] ?? { le: 0, count: 0 }, buckets[n] ?? { le: Number.NaN, count: 0 }];
  return below.le + ((here.le - below.le) * (rank - below.count)) / (here.count - below.count);
}
