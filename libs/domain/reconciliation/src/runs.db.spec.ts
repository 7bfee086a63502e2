import { FixedClock, isAppError, type TenantContext } from '#infra/kernel';
import type { Work } from '#infra/queues';
import { openTestDatabases, type TestDatabases } from '#infra/testing';
import { booksOf, committed, countsOf, csvOf, everythingOf, fileOf, till } from '../test/files.js';
import { again, attemptAt, attemptCutOff, attemptStoppedAt, openServices, type Services } from '../test/registry.js';
import type { Rung } from './ladder.js';
import type { NewRun, RunId, Side } from './run.js';
import type { SourceId } from './source.js';

const firstPage = { limit: 100, after: null };
const byReference: Rung = [{ field: 'reference' }];
const byAmountAndDay: Rung = [{ field: 'amount' }, { field: 'date' }];
const byMemo: Rung = [{ field: 'memo', prefix: 3 }];

let db: TestDatabases;
let services: Services;
let ctx: TenantContext;
let left: SourceId;
let right: SourceId;
beforeAll(async () => {
  const clock = new FixedClock(Date.parse('2026-11-20T12:00:00Z'));
  // A process has two connections for bulk work; more than two attempts at once wait for each other.
  db = await openTestDatabases({ clock, env: { DB_ACQUIRE_TIMEOUT: '30000' } });
  services = openServices(db);
});
beforeEach(async () => {
  ctx = await db.newTenant({ shardId: 'shard-1' });
  left = (await services.sources.create(again(ctx), till('left'))).id;
  right = (await services.sources.create(again(ctx), till('right'))).id;
});
afterAll(() => db?.close());

const reconcile = (id: RunId, work: Work = attemptAt()) => services.reconciler.run(again(ctx), id, work);
const asked = (words: Partial<NewRun> = {}): NewRun => ({
  leftSourceId: left,
  rightSourceId: right,
  ladder: [byReference, byAmountAndDay],
  from: null,
  to: null,
  ...words,
});
const started = async (words: Partial<NewRun> = {}): Promise<RunId> =>
  (await services.runs.start(again(ctx), asked(words))).run.id;
const runOf = (id: RunId) => services.runs.read(again(ctx), id);
const codeOf = async (act: Promise<unknown>): Promise<string> =>
  act.then(
    () => 'done',
    (error: unknown) => (isAppError(error) ? error.code : String(error)),
  );

/** Pairs as the lines of their files, which are the same in every tenant that has these files. */
async function pairsOf(id: RunId): Promise<readonly string[]> {
  const { items } = await services.runs.matches(again(ctx), id, firstPage);
  return items.map((each) => `${each.left.line}–${each.right.line}: ${each.allocatedMinor} by ${each.rung}`).sort();
}
const openOf = async (id: RunId, side: Side): Promise<readonly string[]> =>
  (await services.runs.unmatched(again(ctx), id, side, firstPage)).items.map(
    (each) => `${each.line}: ${each.openMinor}`,
  );

const small = async (): Promise<void> => {
  await committed(services, ctx, left, csvOf('a,2026-03-01,10.00,X,', 'b,2026-03-02,20.00,Y,', 'c,2026-03-03,5.00,,'));
  await committed(services, ctx, right, csvOf('d,2026-03-09,12.00,X,', 'e,2026-03-03,5.00,,', 'f,2026-03-04,1.00,,'));
};
const pairs = ['2–2: 1000 by 1', '4–3: 500 by 2'];
const opens = { left: ['3: 2000'], right: ['4: 100', '2: 200'] };
const nothing = { recon_match: 0, recon_match_line: 0, recon_leg_state: 0 };
const everything = { recon_match: 2, recon_match_line: 4, recon_leg_state: 4, facts: 3 };

describe('a run that is stopped', () => {
  let id: RunId;
  beforeEach(async () => {
    await small();
    id = await started();
  });

  const expectNothing = async () => {
    expect(await countsOf(db, ctx)).toMatchObject({ ...nothing, facts: 2 });
    expect(await runOf(id)).toMatchObject({ status: 'pending', matches: null, totals: null });
  };
  const expectResult = async () => {
    expect(await countsOf(db, ctx)).toMatchObject(everything);
    expect([await pairsOf(id), await openOf(id, 'left'), await openOf(id, 'right')]).toEqual([
      pairs,
      opens.left,
      opens.right,
    ]);
    expect((await runOf(id)).totals).toEqual({
      left: { all: { count: 3, minor: 3_500 }, matched: { count: 2, minor: 1_500 }, open: { count: 1, minor: 2_000 } },
      right: { all: { count: 3, minor: 1_800 }, matched: { count: 1, minor: 1_500 }, open: { count: 2, minor: 300 } },
    });
  };

  it.each([
    ['while it reads', () => attemptStoppedAt(1)],
    ['while it matches', () => attemptStoppedAt(4)],
    ['when all is written, before the commit', () => attemptAt(1, () => Promise.reject(new Error('stopped')))],
    ['by the loss of its connection', () => attemptCutOff(db)],
  ])('%s leaves nothing of itself, and the next attempt finds the same', async (_, work) => {
    await expect(reconcile(id, work())).rejects.toThrow();
    await expectNothing();
    await reconcile(id);
    await expectResult();
  });

  it('after its commit, before anybody heard of it, does nothing when it is delivered again', async () => {
    await reconcile(id);
    const finished: string[] = [];
    await reconcile(
      id,
      attemptAt(2, async () => void finished.push(id)),
    );
    expect(finished).toEqual([]);
    await expectResult();
  });

  it('never, but delivered three times at once, is done by one of the three', async () => {
    const finished: string[] = [];
    const work = () => attemptAt(1, async () => void finished.push(id));
    await Promise.all([reconcile(id, work()), reconcile(id, work()), reconcile(id, work())]);
    expect(finished).toEqual([id]);
    await expectResult();
  });

  it('for good, after its last attempt, says so, and can be asked for again', async () => {
    await expect(reconcile(id, { ...attemptStoppedAt(1), attempt: 5 })).rejects.toThrow('stopped');
    expect(await runOf(id)).toMatchObject({ status: 'failed', failure: 'job.failed', totals: null });
    expect(await codeOf(services.runs.matches(again(ctx), id, firstPage))).toBe('run.not_completed');
    id = await started();
    await reconcile(id);
    await expectResult();
  });
});

describe('what is matched and what is open', () => {
  it('adds up to each record, to the cent, over three runs with other ladders, days and files', async () => {
    await committed(services, ctx, left, fileOf('L', 300));
    await committed(services, ctx, right, fileOf('R', 260));
    const first = await started({ ladder: [byAmountAndDay], from: '2026-03-05' as NewRun['from'] });
    await reconcile(first);
    await committed(services, ctx, right, fileOf('S', 90));
    const second = await started({ ladder: [byAmountAndDay] });
    await reconcile(second);
    const third = await started({ ladder: [byReference] });
    await reconcile(third);
    const found = await Promise.all([first, second, third].map(async (id) => (await runOf(id)).matches ?? 0));
    expect(Math.min(...found)).toBeGreaterThan(0);
    const books = await booksOf(db, ctx);
    expect(books).toMatchObject({ records: 650, broken: 0, beyond: 0, twice: 0, uneven: 0 });
    expect(books.partly).toBeGreaterThan(0);
    expect(books.matches).toBe(found.reduce((a, b) => a + b));
  });

  it('is the same whoever runs first, when both run over the same sources at once, from either side', async () => {
    await committed(services, ctx, left, fileOf('L', 200));
    await committed(services, ctx, right, fileOf('R', 200));
    const turned = { leftSourceId: right, rightSourceId: left };
    const ids = [
      await started(),
      await started({ ladder: [byMemo] }),
      await started(turned),
      await started({ ...turned, ladder: [byMemo] }),
    ];
    await Promise.all(ids.map((id) => reconcile(id)));
    const runs = await Promise.all(ids.map(runOf));
    expect(runs.map(({ status }) => status)).toEqual(['completed', 'completed', 'completed', 'completed']);
    const books = await booksOf(db, ctx);
    expect(books).toMatchObject({ records: 400, broken: 0, beyond: 0, twice: 0, uneven: 0 });
    expect(books.matches).toBe(runs.reduce((sum, { matches }) => sum + (matches ?? 0), 0));
    expect(books.matches).toBeGreaterThan(10);
  });

  it('does not depend on how the files were cut or in which order they came', async () => {
    const [header = '', ...lines] = fileOf('L', 120).trim().split('\n');
    const piece = (from: number, to?: number) => [header, ...lines.slice(from, to), ''].join('\n');
    await committed(services, ctx, left, piece(0));
    await committed(services, ctx, right, fileOf('R', 120));
    const whole = await started();
    await reconcile(whole);
    const shown = async (id: RunId) => {
      const { items } = await services.runs.matches(again(ctx), id, { limit: 100, after: null });
      return items
        .map((each) => [each.left.date, each.left.amountMinor, each.right.date, each.right.line, each.rung].join())
        .sort();
    };
    const [first, totals] = [await shown(whole), (await runOf(whole)).totals];
    ctx = await db.newTenant({ shardId: 'shard-1' });
    left = (await services.sources.create(again(ctx), till('left'))).id;
    right = (await services.sources.create(again(ctx), till('right'))).id;
    await committed(services, ctx, right, fileOf('R', 120));
    for (const csv of [piece(80), piece(0, 50), piece(40, 90)]) await committed(services, ctx, left, csv);
    const cut = await started();
    await reconcile(cut);
    expect([await shown(cut), (await runOf(cut)).totals]).toEqual([first, totals]);
    expect(first.length).toBeGreaterThan(10);
  });

  it('is not kept by a run whose books do not agree', async () => {
    await small();
    await reconcile(await started());
    await db.asAdmin(
      'shard-1',
      'update recon_leg_state set open_minor = 1 where tenant_id = $1 and amount_minor = 1200',
      [ctx.tenant.id],
    );
    await committed(services, ctx, right, csvOf('g,2026-03-02,20.00,Y,'));
    const id = await started();
    const before = await countsOf(db, ctx);
    expect(await codeOf(reconcile(id))).toBe('reconciliation.not_conserved');
    expect(await countsOf(db, ctx)).toEqual(before);
    expect((await runOf(id)).status).toBe('pending');
  });

  it('cannot be more than a record has: the database itself refuses it', async () => {
    await small();
    await reconcile(await started());
    for (const wrong of [1_201, -1])
      await expect(
        db.asAdmin(
          'shard-1',
          `update recon_leg_state set open_minor = ${wrong} where tenant_id = $1 and amount_minor = 1200`,
          [ctx.tenant.id],
        ),
      ).rejects.toThrow('recon_leg_state_open');
  });
});

describe('a run', () => {
  it('asked for twice is one run with one job, also when both ask at the same time', async () => {
    await small();
    const answers = await Promise.all([1, 2, 3, 4].map(() => services.runs.start(again(ctx), asked())));
    expect(new Set(answers.map(({ run }) => run.id)).size).toBe(1);
    expect(answers.filter(({ known }) => !known)).toHaveLength(1);
    const jobs = await db.asAdmin(
      'shard-1',
      `select from outbox where tenant_id = $1 and name = 'reconciliation.run'`,
      [ctx.tenant.id],
    );
    expect(jobs).toHaveLength(1);
  });

  it('tells how far it has come while nothing of it can be seen', async () => {
    await small();
    const id = await started();
    const seen: unknown[] = [];
    await reconcile(
      id,
      attemptAt(1, async () => {
        const { status, progress } = await runOf(id);
        seen.push(status, progress);
      }),
    );
    expect(seen).toEqual(['pending', { phase: 'reading', done: 3, total: 6 }]);
    expect((await runOf(id)).progress.phase).toBe('done');
  });

  it('is nothing to another tenant, which cannot run over these sources either', async () => {
    await small();
    const id = await started();
    await reconcile(id);
    const other = again(await db.newTenant({ shardId: 'shard-1' }));
    expect(await codeOf(services.runs.start(other, asked()))).toBe('source.not_found');
    expect(await codeOf(services.runs.read(other, id))).toBe('run.not_found');
    expect(await codeOf(services.runs.matches(other, id, firstPage))).toBe('run.not_found');
    expect(await codeOf(services.runs.unmatched(other, id, 'left', firstPage))).toBe('run.not_found');
    expect(await codeOf(services.reconciler.run(other, id, attemptAt()))).toBe('run.not_found');
    expect((await services.runs.list(other, firstPage)).items).toEqual([]);
  });

  it('leaves nothing readable of what its records say, and on record whom its matches showed', async () => {
    const secret = 'Zebulon Quirkheim';
    await committed(
      services,
      ctx,
      left,
      csvOf(`a,2026-03-01,10.00,${secret},${secret}`, `b,2026-03-02,20.00,,${secret}`),
    );
    await committed(services, ctx, right, csvOf(`c,2026-03-01,10.00,${secret.toUpperCase()},`));
    const id = await started();
    await reconcile(id);
    const seen = again(ctx);
    const { items } = await services.runs.matches(seen, id, firstPage);
    expect((await services.runs.unmatched(again(ctx), id, 'left', firstPage)).items).toMatchObject([{ memo: secret }]);
    const text = (await everythingOf(db, ctx)).toLowerCase();
    for (const trace of ['zebulon', 'quirkheim']) expect(text).not.toContain(trace);
    const subjects = await db.asAdmin<{ id: string }>(
      'shard-1',
      `select s.subject_id::text as id from audit_event e join audit_subject s on s.event_id = e.id
        where e.tenant_id = $1 and e.request_id = $2 and e.action = 'reconciliation.read_matches'`,
      [ctx.tenant.id, seen.requestId],
    );
    expect(subjects.map((each) => each.id).sort()).toEqual(
      items.flatMap((each) => [each.left.recordId, each.right.recordId]).sort(),
    );
  });
});
