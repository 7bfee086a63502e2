import { setTimeout as sleep } from 'node:timers/promises';
import type { AppProcess } from '#infra/testing';
import { ApiClient } from '../api-client.js';
import { makeClinic, midnightIn } from '../clinic.js';
import { type BookedFact, bookedFacts, Crowd } from '../live/crowd.js';
import { type BookingLedger, bookUntil, emptyLedger } from '../live/idempotent-booker.js';
import { nowMs } from '../live/live-socket.js';
import { type Outcome, percentile, rounded, run, say } from '../report.js';
import { onOwnStack, type Run, type RunTenant } from '../stack.js';
import { inspect, sql } from '../wholeness.js';

const socketsPerTenant = 250;
const bookersPerTenant = 3;
const everyMs = 500;
const calmMs = 20_000;
/** From a process being back to the next one being killed. */
const betweenKillsMs = 5_000;
const stepMin = 15;
const rounds = 2;
/** An api is killed while it has requests: with these under way, HAProxy has given one to either. */
const underWayAtKill = 2;
const busyTimeoutMs = 10_000;

/** One of the two tenants: who listens, and what was booked. */
interface Side {
  readonly tenant: RunTenant;
  readonly api: ApiClient;
  readonly crowd: Crowd;
  readonly ledger: BookingLedger;
  book(signal: AbortSignal): Promise<unknown>;
}

async function drill(): Promise<Outcome> {
  say(
    `Drill live-booking: ${2 * socketsPerTenant} sockets of two tenants, on two shards, hear of bookings while processes die.`,
  );
  say(
    'Everything goes through HAProxy, on the system’s binaries. Each tenant books with an Idempotency-Key that the client ' +
      'repeats until it is answered; each socket says the last number that it has seen when it comes back. After ' +
      `${calmMs / 1000} s the api, the gateway and the worker are killed (SIGKILL) and started again in turn, ${rounds} times. ` +
      'Every booking must be answered, and be heard once by every socket of its tenant and by none of the other.',
  );
  say('GATEWAY_SOCKETS_PER_USER is 500, because all sockets of a tenant are of one user.');
  const plan = {
    ...{ apis: 2, gateways: 2, workers: 1, proxy: true, servers: 2, commitTimes: true },
    shard: 'shard-1',
    furtherTenants: ['shard-2'],
    environment: { GATEWAY_SOCKETS_PER_USER: '500' },
  };
  return onOwnStack(plan, async (own) => {
    const sides: Side[] = [];
    try {
      for (const tenant of own.tenants) sides.push(await openSide(own, tenant));
      return await live(own, sides);
    } finally {
      for (const { crowd, api } of sides) {
        crowd.close();
        api.close();
      }
    }
  });
}

async function openSide({ stack }: Run, tenant: RunTenant): Promise<Side> {
  const { url } = stack;
  const api = await ApiClient.login(url, tenant.credentials);
  const clinic = await makeClinic(api, { name: 'Live', triples: 1, stepMin });
  const token = api.headers.authorization?.replace('Bearer ', '') ?? '';
  const crowd = await Crowd.open(url, tenant, token, socketsPerTenant);
  const ledger = emptyLedger();
  let startMin = midnightIn(1);
  const nextStartMin = () => {
    startMin += stepMin;
    return startMin;
  };
  const book = (signal: AbortSignal) =>
    Promise.all(
      Array.from({ length: bookersPerTenant }, () =>
        bookUntil({ url, api, clinic, nextStartMin, everyMs, ledger, signal }),
      ),
    );
  return { tenant, api, crowd, ledger, book };
}

async function live(own: Run, sides: readonly Side[]): Promise<Outcome> {
  say(`  ${sides.map(({ crowd }) => crowd.connected).join(' + ')} sockets are connected`);
  const stopping = new AbortController();
  const booking = sides.map(({ book }) => book(stopping.signal));
  const calmFromMs = nowMs();
  let calmToMs = calmFromMs;
  let kills = 0;
  try {
    await sleep(calmMs);
    calmToMs = nowMs();
    kills = await killInTurn(own, sides);
  } finally {
    stopping.abort();
    await Promise.all(booking);
  }
  return verdict(own, sides, { kills, calm: (ms) => ms >= calmFromMs && ms < calmToMs });
}

async function killInTurn({ stack }: Run, sides: readonly Side[]): Promise<number> {
  let kills = 0;
  for (let round = 0; round < rounds; round += 1)
    for (const all of [stack.apis, stack.gateways, stack.workers]) {
      const app = all[round % all.length];
      if (app === undefined) throw new Error('there is no such process');
      await killAndStart(app, sides);
      kills += 1;
      await sleep(betweenKillsMs);
    }
  return kills;
}

async function killAndStart(app: AppProcess, sides: readonly Side[]): Promise<void> {
  const before = sides.reduce((sum, { crowd }) => sum + crowd.connected, 0);
  if (app.kind === 'api') await untilBusy(sides);
  await app.kill();
  const startedAt = performance.now();
  await app.start();
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  const now = sides.reduce((sum, { crowd }) => sum + crowd.connected, 0);
  const booked = sides.reduce((sum, { ledger }) => sum + ledger.acknowledged.length, 0);
  say(
    `  ${app.name} killed, ready again after ${seconds} s; ${before} sockets before, ${now} now; ${booked} bookings so far`,
  );
}

async function untilBusy(sides: readonly Side[]): Promise<void> {
  const endsAt = performance.now() + busyTimeoutMs;
  const underWay = () => sides.reduce((sum, { ledger }) => sum + ledger.underWay, 0);
  while (underWay() < underWayAtKill && performance.now() < endsAt) await sleep(1);
}

interface Course {
  readonly kills: number;
  /** Whether a moment lies in the time before the first kill. */
  readonly calm: (ms: number) => boolean;
}

/** What was promised to one tenant, and how often it was broken. */
async function judge(own: Run, { tenant, crowd, ledger }: Side, others: ReadonlySet<string>) {
  const [row] = await sql<{ newest: number }>(
    { ...own, ...tenant },
    `select coalesce(max(seq), 0)::float8 as newest from outbox where tenant_id = $1 and kind = 'fact'`,
    [tenant.tenantId],
  );
  const caughtUp = await crowd.caughtUp(row?.newest ?? Number.NaN);
  const facts = await bookedFacts(own, tenant);
  const ids = new Set(ledger.acknowledged);
  const { booked, halfDone, orphans, overlaps } = await inspect({ ...own, ...tenant });
  return {
    facts,
    failed: ledger.failed.length,
    /** Answered and not there, there and not answered, there twice, or not whole. */
    wrongBookings: Math.abs(booked - ids.size) + ledger.acknowledged.length - ids.size + halfDone + orphans + overlaps,
    notByAll: crowd.unevenlyHeard(ids) + (caughtUp ? 0 : 1),
    foreign: crowd.heardOf(others),
    unknown: crowd.heardBeside(ids) - crowd.heardOf(others),
    missed: crowd.sum('missed') + crowd.sum('resyncs'),
    twice: crowd.sum('twice'),
  };
}

/** `first`: from the commit to the first socket that hears of it. */
type From = 'commit' | 'written' | 'first';
const momentOf = { commit: 'committedMs', first: 'committedMs', written: 'writtenMs' } as const;

type Judged = Awaited<ReturnType<typeof judge>>;

/** Milliseconds from a moment of a booking to each of its deliveries, or to the first of them alone. */
function delaysOf(facts: readonly BookedFact[], crowd: Crowd, from: From, when: Course['calm']): readonly number[] {
  const moments = new Map(facts.map((fact) => [fact.seq, fact[momentOf[from]]]));
  const deliveries = from === 'first' ? crowd.firstDeliveries : crowd.deliveries;
  return deliveries.flatMap(({ seq, atMs }) => {
    const moment = moments.get(seq);
    return moment !== undefined && when(moment) ? [atMs - moment] : [];
  });
}

async function verdict(own: Run, sides: readonly Side[], { kills, calm }: Course): Promise<Outcome> {
  const judged: Judged[] = [];
  for (const side of sides) {
    const others = sides.filter((each) => each !== side).flatMap(({ ledger }) => ledger.acknowledged);
    judged.push(await judge(own, side, new Set(others)));
  }
  const sum = (of: Exclude<keyof Judged, 'facts'>) => judged.reduce((total, each) => total + each[of], 0);
  const delays = (from: From, when: Course['calm']) =>
    sides.flatMap(({ crowd }, n) => delaysOf(judged[n]?.facts ?? [], crowd, from, when));
  const always = () => true;
  const [calmDelays, allDelays] = [delays('commit', calm), delays('commit', always)];
  const figures = {
    sockets: sides.reduce((total, { crowd }) => total + crowd.size, 0),
    kills,
    acknowledged: sides.reduce((total, { ledger }) => total + ledger.acknowledged.length, 0),
    failed: sum('failed'),
    retries: sides.reduce((total, { ledger }) => total + ledger.retries, 0),
    replayed: sides.reduce((total, { ledger }) => total + ledger.replayed, 0),
    reconnects: sides.reduce((total, { crowd }) => total + crowd.sum('reconnects'), 0),
    deliveries: sides.reduce((total, { crowd }) => total + crowd.deliveries.length, 0),
    missed: sum('missed'),
    twice: sum('twice'),
    notHeardByAll: sum('notByAll'),
    foreign: sum('foreign'),
    unknown: sum('unknown'),
    wrongBookings: sum('wrongBookings'),
    calmP50Ms: rounded(percentile(calmDelays, 0.5)),
    calmP95Ms: rounded(percentile(calmDelays, 0.95)),
    calmFirstSocketP95Ms: rounded(percentile(delays('first', calm), 0.95)),
    calmFromWrittenP95Ms: rounded(percentile(delays('written', calm), 0.95)),
    p95Ms: rounded(percentile(allDelays, 0.95)),
    maxMs: rounded(percentile(allDelays, 1)),
  };
  tell(figures, sides);
  const broken = ['failed', 'missed', 'twice', 'notByAll', 'foreign', 'unknown', 'wrongBookings'] as const;
  const kept = broken.every((each) => sum(each) === 0);
  return { passed: kept && kills === 3 * rounds && calmDelays.length > 0, figures };
}

function tell(figures: Readonly<Record<string, number>>, sides: readonly Side[]): void {
  const { acknowledged, failed, deliveries, missed, twice, foreign, calmP50Ms, calmP95Ms, p95Ms } = figures;
  say(
    `${acknowledged} bookings, ${failed} failed; ${deliveries} deliveries: ${missed} missed, ${twice} twice, ` +
      `${foreign} of the other tenant.`,
  );
  say(
    `From the commit (PostgreSQL’s own commit time, on this machine’s clock) to a socket: p50 ${calmP50Ms} ms, p95 ` +
      `${calmP95Ms} ms while nothing was killed; p95 ${p95Ms} ms over everything, waits for killed processes included.`,
  );
  const reasons = new Set(sides.flatMap(({ ledger }) => ledger.failed));
  if (reasons.size > 0) say(`Failed bookings: ${[...reasons].join(', ')}`);
}

await run('live-booking', drill);
