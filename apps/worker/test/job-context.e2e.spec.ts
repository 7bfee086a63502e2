import type { INestApplicationContext } from '@nestjs/common';
import { newId } from '#infra/kernel';
import { Catalogue } from '#infra/queues';
import { waitUntil } from '#infra/testing';
import type { WorkerProcess } from '../src/worker.js';
import { type Asked, JobContextFixture, jobs, soonMs } from './job-context-fixture.js';

let fixture: JobContextFixture;
let worker: WorkerProcess;
/** Tenants on shards of their own; each has asked for one job of every kind. */
let ours: readonly Asked[];
let theirs: readonly Asked[];
/** What had been done for them before. */
let nothingNew: readonly string[];

beforeAll(async () => {
  fixture = await JobContextFixture.open();
  ours = await fixture.tenantWithJobs('shard-1');
  theirs = await fixture.tenantWithJobs('shard-2');
  nothingNew = await effects();
  worker = await fixture.work();
}, 60_000);
afterAll(async () => {
  await worker?.stop();
  await fixture?.close();
});

const kinds = jobs.map(({ job, place }, n) => [job.name, { n, job, place }] as const);
const effects = () => fixture.effects(ours[0]!.ctx, theirs[0]!.ctx);
const dataOf = ({ ctx, place }: Asked) => ({ tenantId: ctx.tenant.id, requestId: ctx.requestId, place });

it('every job of the product stands in this matrix', () => {
  const catalogue = (worker as unknown as { app: INestApplicationContext }).app.get(Catalogue);
  // Forgetting reads and changes nobody's rows: of a thing of another tenant, it finds nothing under its own tenant's keys.
  const harmless = ['catalogue.forget_cached', 'member.forget_cached'];
  expect([...jobs.map(({ job }) => job.name), ...harmless].sort()).toEqual([...catalogue.jobs.keys()].sort());
});

describe('a delivery that was forged in Redis', () => {
  it.each(kinds)('%s: works for no tenant but the one that asked, on nothing but what it asked', async (_, { n }) => {
    const [own, other] = [ours[n]!, theirs[n]!];
    const elsewhere = own.place === 'shard' ? 'directory' : 'shard';
    const forgeries: readonly (readonly [Pick<Asked, 'id' | 'name'>, unknown, string?])[] = [
      [other, { ...dataOf(other), tenantId: own.ctx.tenant.id }],
      [own, { ...dataOf(own), tenantId: other.ctx.tenant.id }],
      [own, { ...dataOf(own), tenantId: newId() }],
      [own, { ...dataOf(own), place: elsewhere }],
      [own, { ...dataOf(own), payload: other.payload }],
      [own, { ...dataOf(own), ...other.payload }],
      [own, other.payload],
      [{ ...own, id: newId() }, dataOf(own)],
      [own, dataOf(own), ours[(n + 1) % ours.length]!.name],
      [own, dataOf(own), 'tenant.read_everything'],
    ];
    const discarded = () => fixture.lines.filter((line) => line.includes('job.discarded')).length;
    const before = discarded();
    for (const [job, data, as] of forgeries) await fixture.deliver(job, data, as);
    expect(discarded() - before).toBe(forgeries.length);
    expect(await effects()).toEqual(nothingNew);
    for (const asked of [own, other])
      expect(await fixture.rowsOf(asked)).toEqual([{ outcome: null, error_code: null }]);
  });
});

describe('a job whose stored payload names a thing of another tenant', () => {
  it.each(kinds)('%s: does not find it', async (name, { n, job, place }) => {
    const [own, other] = [ours[n]!, theirs[n]!];
    await fixture.ask(own.ctx, place, job.entry(newId(), other.payload));
    const ended = async () => (await fixture.rowsOf(own)).some(({ outcome }) => outcome !== null);
    expect(await waitUntil(ended, soonMs)).toBe(true);
    const lost = { 'reconciliation.ingest': 'statement.not_found', 'reconciliation.run': 'run.not_found' }[name];
    // There is nobody to write to: no mail, and no mistake.
    const end = lost === undefined ? { outcome: 'done', error_code: null } : { outcome: 'dead', error_code: lost };
    expect(await fixture.rowsOf(own)).toEqual([{ outcome: null, error_code: null }, end]);
    expect(await effects()).toEqual(nothingNew);
  });
});

describe('a delivery of the job that was asked for', () => {
  it.each(kinds)('%s: works on it, so that the silence above means something', async (_, { n }) => {
    const asked = theirs[n]!;
    const before = await effects();
    await fixture.deliver(asked, { ...dataOf(asked), requestId: newId() });
    expect(await fixture.rowsOf(asked)).toEqual([{ outcome: 'done', error_code: null }]);
    expect((await effects()).length).toBeGreaterThan(before.length);
    const [line = ''] = fixture.lines.filter((each) => each.includes('job.ended') && each.includes(asked.id));
    expect(line).toContain(asked.ctx.tenant.id);
  });

  it('leaves what the other tenant had asked for as it was', async () => {
    const { ctx } = ours[0]!;
    const { slug } = await fixture.databases.sharding.tenants.byId(ctx.tenant.id);
    const done = await fixture.effects(ctx);
    expect(done.filter((what) => !what.startsWith('mail ') && !nothingNew.includes(what))).toEqual([]);
    expect(done.filter((what) => what.includes(slug))).toEqual([]);
  });
});
