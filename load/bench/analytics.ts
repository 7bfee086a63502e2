import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { ApiClient } from '../api-client.js';
import { dice, pick } from '../people.js';
import { type Outcome, percentile, rounded, run, say } from '../report.js';
import { onOwnStack, type Run } from '../stack.js';
import { sql } from '../wholeness.js';

const { values } = parseArgs({ options: { visits: { type: 'string', default: '1000000' } } });
const visitCount = Number(values.visits);
const batch = 100_000;
const calls = 200;
const aimedP95Ms = 1_000;
const aimedReplicaShare = 0.8;
const seed = 20_261_121;
const locations = 5;
const services = 12;
/** Over two years, the middle of which is today. */
const spanDays = 730;
const dayMs = 86_400_000;
const firstDay = Math.floor(Date.now() / dayMs) - spanDays / 2;
const dateOf = (epochDay: number): string => new Date(epochDay * dayMs).toISOString().slice(0, 10);
/** A server process that has nothing to do tells what it did 10 s later. */
const statisticsMs = 11_000;
const replicaWaitMs = 120_000;
const path = '/api/v1/analytics/appointments';

/** What a dashboard shows; each is asked as often as the others. */
const ranges = { 'a week': 7, 'a month': 31, 'a quarter': 92, 'a year': 366 } as const;
type RangeName = keyof typeof ranges;

interface Asked {
  readonly range: RangeName;
  readonly query: string;
}
interface Answered extends Asked {
  readonly ms: number;
  readonly from: string;
}
interface Company {
  readonly locationIds: readonly string[];
  readonly serviceIds: readonly string[];
}
interface Figures {
  readonly days: readonly { readonly visits: Readonly<Record<string, number>>; readonly bookedMin: number }[];
}

async function bench(): Promise<Outcome> {
  if (!Number.isInteger(visitCount) || visitCount < 1) throw new Error('--visits is how many visits the company has');
  say(
    `Bench analytics: a dashboard of ${visitCount} visits of one company, ${calls} questions that nobody asked before.`,
  );
  return onOwnStack({ apis: 1, servers: 1, shard: 'shard-1' }, measure);
}

async function measure(own: Run): Promise<Outcome> {
  const api = await ApiClient.login(own.stack.apis[0]?.url ?? '', own.credentials);
  const company = await offer(api);
  await fill(own, company);
  await untilReplayed(own);
  const exact = await isExact(own, api);
  await sleep(statisticsMs);
  const committed = await committedOnReplica(own);
  const startedAt = performance.now();
  const asked = questions(company);
  const fresh = await ask(api, asked);
  await sleep(statisticsMs);
  const polls = (performance.now() - startedAt) / 1_000;
  const share = Math.min(1, Math.max(0, (await committedOnReplica(own)) - committed - polls) / calls);
  const kept = await ask(api, asked);
  api.close();
  return verdict(fresh, kept, { share, exact });
}

async function offer(api: ApiClient): Promise<Company> {
  const made = async (count: number, place: string, body: (n: number) => unknown) => {
    const ids: string[] = [];
    for (let n = 1; n <= count; n += 1) ids.push((await api.call<{ id: string }>('POST', place, body(n))).id);
    return ids;
  };
  const segments = [{ kind: 'provider', offsetMin: 0, durationMin: 30 }];
  return {
    locationIds: await made(locations, '/locations', (n) => ({ name: `Place ${n}`, tz: 'Etc/UTC' })),
    serviceIds: await made(services, '/services', (n) => ({ name: `Service ${n}`, durationMin: 30, segments })),
  };
}

/** Rows of visits as bookings leave them, one in ten cancelled; nothing else of a visit is asked for here. */
async function fill(own: Run, { locationIds, serviceIds }: Company): Promise<void> {
  for (let done = 0; done < visitCount; done += batch) {
    await sql(
      own,
      `insert into appointment (tenant_id, id, location_id, service_id, status, start_min, end_min, duration_min,
         local_start, tz, tzdb_version, client, created_by, created_at, updated_at)
       select $1, gen_random_uuid(), ($2::uuid[])[1 + n % $3], ($4::uuid[])[1 + n % $5],
              case n % 10 when 0 then 'cancelled' else 'booked' end, start_min, start_min + 30, 30,
              timestamp 'epoch' + start_min * interval '1 minute', 'Etc/UTC', '2026f', decode(repeat(md5(n::text), 10), 'hex'),
              'load', now(), now()
         from (select n, $6::int * 1440 + ((n * 7919::bigint) % ($7::int * 96))::int * 15 as start_min
                 from generate_series($8::int, $9::int) n) visit`,
      [
        own.tenantId,
        locationIds,
        locations,
        serviceIds,
        services,
        firstDay,
        spanDays,
        done + 1,
        Math.min(visitCount, done + batch),
      ],
    );
    say(`  ${Math.min(visitCount, done + batch)} visits`);
  }
  // What autovacuum does on its own within minutes.
  await sql(own, 'vacuum (analyze) appointment');
}

function onReplica<Row>({ stack }: Run, text: string, parameters: unknown[]): Promise<readonly Row[]> {
  const { replica } = stack.cluster;
  if (replica === undefined) throw new Error('the stack has no replica');
  return replica.asSuperuser(async (client) => (await client.query(text, parameters)).rows as Row[]);
}

async function untilReplayed(own: Run): Promise<void> {
  const [row] = await sql<{ position: string }>(own, 'select pg_current_wal_insert_lsn()::text as position');
  const question = 'select pg_last_wal_replay_lsn() >= $1::pg_lsn as there';
  const endsAt = performance.now() + replicaWaitMs;
  for (;;) {
    const [answer] = await onReplica<{ there: boolean }>(own, question, [row?.position]);
    if (answer?.there === true) break;
    if (performance.now() > endsAt) throw new Error('the replica does not catch up');
    await sleep(500);
  }
  // It comes back into rotation, and to its full share, some seconds after it has caught up.
  await sleep(2 * statisticsMs);
}

async function committedOnReplica(own: Run): Promise<number> {
  const [row] = await onReplica<{ committed: number }>(
    own,
    'select xact_commit::int as committed from pg_stat_database where datname = $1',
    [own.database],
  );
  return row?.committed ?? Number.NaN;
}

/** Two years in three questions say what the table says. */
async function isExact(own: Run, api: ApiClient): Promise<boolean> {
  const told = { booked: 0, cancelled: 0, bookedMin: 0 };
  for (const from of [firstDay, firstDay + 300, firstDay + 600]) {
    const query = `${path.slice('/api/v1'.length)}?from=${dateOf(from)}&to=${dateOf(Math.min(from + 299, firstDay + spanDays - 1))}`;
    for (const { visits, bookedMin } of (await api.call<Figures>('GET', query)).days) {
      told.booked += visits.booked ?? 0;
      told.cancelled += visits.cancelled ?? 0;
      told.bookedMin += bookedMin;
    }
  }
  const [stored] = await sql<typeof told>(
    own,
    `select (count(*) filter (where status = 'booked'))::int as booked,
            (count(*) filter (where status = 'cancelled'))::int as cancelled,
            (sum(duration_min) filter (where status = 'booked'))::int as "bookedMin"
       from appointment where tenant_id = $1`,
    [own.tenantId],
  );
  return JSON.stringify(stored) === JSON.stringify(told) && told.booked + told.cancelled === visitCount;
}

/** No two are the same; every fourth is of one location. */
function questions({ locationIds }: Company): readonly Asked[] {
  const roll = dice(seed);
  const names = Object.keys(ranges) as RangeName[];
  const perRange = calls / names.length;
  return names.flatMap((range) => {
    const room = spanDays - ranges[range];
    return Array.from({ length: perRange }, (_, n) => {
      const from = firstDay + Math.floor((n * room) / perRange);
      const where = n % 4 === 3 ? `&locationId=${pick(roll, locationIds)}` : '';
      return { range, query: `?from=${dateOf(from)}&to=${dateOf(from + ranges[range] - 1)}${where}` };
    });
  });
}

async function ask(api: ApiClient, asked: readonly Asked[]): Promise<readonly Answered[]> {
  const answers: Answered[] = [];
  for (const one of asked) {
    const at = performance.now();
    const { status, headers, body } = await api.connection.request('GET', path + one.query, api.headers);
    if (status !== 200) throw new Error(`a question was answered with ${status}: ${body}`);
    answers.push({ ...one, ms: performance.now() - at, from: headers['x-cache'] ?? '' });
  }
  return answers;
}

const p = (answers: readonly Answered[], share: number): number =>
  percentile(
    answers.map(({ ms }) => ms),
    share,
  );

function verdict(
  fresh: readonly Answered[],
  kept: readonly Answered[],
  { share, exact }: { readonly share: number; readonly exact: boolean },
): Outcome {
  for (const range of Object.keys(ranges) as RangeName[]) {
    const mine = fresh.filter((answer) => answer.range === range);
    say(`  ${range}: p50 ${p(mine, 0.5).toFixed(0)} ms, p95 ${p(mine, 0.95).toFixed(0)} ms`);
  }
  const p95Ms = p(fresh, 0.95);
  const misses = fresh.filter(({ from }) => from === 'MISS').length;
  const hits = kept.filter(({ from }) => from === 'L1' || from === 'L2').length;
  const year = fresh.filter(({ range }) => range === 'a year');
  const ratio = p(fresh, 0.5) / p(kept, 0.5);
  say(
    `A question takes ${p95Ms.toFixed(0)} ms at p95 (aim: under ${aimedP95Ms}), ${p(kept, 0.95).toFixed(1)} ms when it was ` +
      `asked before: ${ratio.toFixed(0)} times less at the median. ${(share * 100).toFixed(0)} % were answered by the replica.`,
  );
  return {
    passed: p95Ms < aimedP95Ms && misses === calls && hits === calls && share >= aimedReplicaShare && exact,
    figures: {
      visits: visitCount,
      calls,
      p95Ms: rounded(p95Ms),
      aimedP95Ms,
      p50Ms: rounded(p(fresh, 0.5)),
      yearP95Ms: rounded(p(year, 0.95)),
      maxMs: rounded(p(fresh, 1)),
      cachedP50Ms: rounded(p(kept, 0.5), 2),
      cachedP95Ms: rounded(p(kept, 0.95), 2),
      cachedRatio: rounded(ratio, 0),
      replicaShare: rounded(share, 3),
      misses,
      hits,
      exact,
    },
  };
}

await run('analytics', bench);
