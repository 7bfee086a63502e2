import { setTimeout as sleep } from 'node:timers/promises';
import { endWithProcess, PatroniCluster, waitUntil } from '#infra/testing';
import { ApiClient, appointmentsPath } from '../api-client.js';
import { type Clinic, makeClinic, midnightIn } from '../clinic.js';
import { type Growth, silenceBetween, watchGrowth } from '../failover/silence.js';
import { HttpConnection } from '../http-client.js';
import { type BookingLedger, bookUntil, emptyLedger } from '../live/idempotent-booker.js';
import { type Outcome, rounded, run, say } from '../report.js';
import { onOwnStack, type Run } from '../stack.js';
import { inspectOn } from '../wholeness.js';

const clients = 8;
const everyMs = 100;
const stepMin = 15;
const triples = 4;
const steadyMs = 5_000;
const backWithinMs = 30_000;
const patienceMs = 120_000;
const bookingsAfter = 50;
const shard = 'shard-2';

/** What is killed: PostgreSQL alone, which Patroni sees; or the whole node, which only the other one can notice. */
const rounds = ['postgres', 'node'] as const;
type Round = (typeof rounds)[number];

interface Survived {
  readonly round: Round;
  readonly killedAt: number;
  /** Until the killed node was the synchronous standby of the primary, or the primary again with a standby. */
  readonly settledMs: number;
  readonly leaderChanged: boolean;
}

async function drill(): Promise<Outcome> {
  say('Drill failover: the primary of a shard is killed under a booking load, twice.');
  say(
    'Shard 2 is PostgreSQL of the system on two nodes under Patroni and etcd in synchronous_mode, by deploy/patroni and ' +
      `deploy/haproxy/postgres.cfg. ${clients} clients book through two api processes, each booking under an ` +
      'Idempotency-Key that is repeated until it is answered. First the primary’s PostgreSQL is killed (SIGKILL), then, once ' +
      'Patroni lists a synchronous standby again, PostgreSQL and Patroni of the primary’s node together. Afterwards every ' +
      'acknowledged booking must be there exactly once and whole, and nothing else; the killed node must have come back ' +
      'as a standby and answer reads.',
  );
  let cluster: PatroniCluster | undefined;
  const furtherShards = async (superuser: PatroniCluster['superuser']) => {
    cluster = await PatroniCluster.start(superuser, say);
    endWithProcess(cluster);
    return [{ primary: cluster.primary, replica: cluster.replica }];
  };
  try {
    return await onOwnStack({ apis: 2, servers: 1, shard, furtherShards }, async (own) => {
      if (cluster === undefined) throw new Error('the stack asked for no further shard');
      return onCluster(own, cluster);
    });
  } finally {
    await cluster?.stop();
  }
}

async function onCluster(own: Run, cluster: PatroniCluster): Promise<Outcome> {
  const api = await ApiClient.login(own.stack.apis[0]?.url ?? '', own.credentials);
  const clinic = await makeClinic(api, { name: 'Failover', triples, stepMin });
  const ledger = emptyLedger();
  const [booking, watching] = [new AbortController(), new AbortController()];
  const growth = watchGrowth(() => ledger.acknowledged.length, watching.signal);
  const booked = startClients(own, api, clinic, ledger, booking.signal);
  const survived: Survived[] = [];
  try {
    for (const round of rounds) survived.push(await survive(cluster, round, ledger));
  } finally {
    booking.abort();
    await booked;
    watching.abort();
  }
  api.close();
  return verdict(own, cluster, { ledger, survived, growths: await growth, headers: api.headers });
}

function startClients({ stack }: Run, api: ApiClient, clinic: Clinic, ledger: BookingLedger, signal: AbortSignal) {
  let startMin = midnightIn(1);
  const nextStartMin = () => {
    startMin += stepMin;
    return startMin;
  };
  const urls = stack.apis.map(({ url }) => url);
  return Promise.all(
    Array.from({ length: clients }, (_, n) =>
      bookUntil({ url: urls[n % urls.length] ?? '', api, clinic, nextStartMin, everyMs, ledger, signal }),
    ),
  );
}

async function survive(cluster: PatroniCluster, round: Round, ledger: BookingLedger): Promise<Survived> {
  await cluster.settled();
  await sleep(steadyMs);
  const leader = await cluster.leader();
  if (leader === undefined) throw new Error('there is no primary to kill');
  say(
    `  ${round}: killing ${leader.name} with a synchronous standby beside it, ${ledger.acknowledged.length} bookings so far`,
  );
  const killedAt = performance.now();
  await (round === 'postgres' ? leader.killPostgres() : leader.kill());
  const before = ledger.acknowledged.length;
  const resumed = () => ledger.acknowledged.length > before + bookingsAfter;
  if (!(await waitUntil(resumed, patienceMs))) throw new Error('no bookings any more');
  if (round === 'node') await leader.start();
  await cluster.settled();
  const settledMs = performance.now() - killedAt;
  const leaderChanged = (await cluster.leader())?.name !== leader.name;
  say(
    `    settled again after ${rounded(settledMs / 1000)} s; the primary is ${leaderChanged ? 'the other node' : 'the same node'}`,
  );
  await sleep(steadyMs);
  return { round, killedAt, settledMs, leaderChanged };
}

interface Findings {
  readonly ledger: BookingLedger;
  readonly survived: readonly Survived[];
  readonly growths: readonly Growth[];
  readonly headers: Readonly<Record<string, string>>;
}

async function verdict(own: Run, cluster: PatroniCluster, found: Findings): Promise<Outcome> {
  const { ledger, survived, growths, headers } = found;
  const { acknowledged } = ledger;
  const whole = await cluster.asSuperuser((client) => inspectOn(client, own.tenantId), own.database);
  const missing = await missingOf(own, cluster, acknowledged);
  const of = (round: Round) => survived.find((each) => each.round === round);
  const gapOf = (round: Round) => {
    const { killedAt = 0, settledMs = 0 } = of(round) ?? {};
    return silenceBetween(killedAt, killedAt + settledMs, growths);
  };
  const twice = acknowledged.length - new Set(acknowledged).size + Math.max(0, whole.booked - acknowledged.length);
  const figures = {
    clients,
    acknowledged: acknowledged.length,
    booked: whole.booked,
    missing,
    twice,
    halfDone: whole.halfDone,
    orphans: whole.orphans,
    overlaps: whole.overlaps,
    otherAnswers: ledger.failed.length,
    retries: ledger.retries,
    replayed: ledger.replayed,
    postgresKilledGapMs: rounded(gapOf('postgres')),
    postgresKilledLeaderChanged: of('postgres')?.leaderChanged ?? false,
    postgresKilledSettledMs: rounded(of('postgres')?.settledMs ?? Number.NaN),
    nodeKilledGapMs: rounded(gapOf('node')),
    nodeKilledLeaderChanged: of('node')?.leaderChanged ?? false,
    nodeKilledSettledMs: rounded(of('node')?.settledMs ?? Number.NaN),
    nodesRewound: cluster.nodes.filter(({ wasRewound }) => wasRewound).length,
    standbyHasAll: await standbyHasAll(own, cluster, whole.booked),
    readsAnswered: await readsAnswered(own, headers),
  };
  say(
    `${acknowledged.length} bookings acknowledged, ${missing} missing, ${twice} twice, ${whole.halfDone + whole.orphans} half ` +
      `done, ${ledger.failed.length} other answers. Writes back ${rounded(figures.postgresKilledGapMs / 1000)} s after ` +
      `PostgreSQL was killed, ${rounded(figures.nodeKilledGapMs / 1000)} s after its whole node was.`,
  );
  if (ledger.failed.length > 0) say(`Other answers: ${[...new Set(ledger.failed)].join(', ')}`);
  const broken = missing + twice + whole.halfDone + whole.orphans + whole.overlaps + ledger.failed.length;
  const counted = whole.booked === acknowledged.length && whole.idempotencyRows === whole.booked;
  const inTime = rounds.every((round) => gapOf(round) <= backWithinMs);
  const rejoined = figures.nodeKilledLeaderChanged && figures.standbyHasAll && figures.readsAnswered;
  return { passed: broken === 0 && counted && inTime && rejoined && acknowledged.length > 0, figures };
}

/** Acknowledged visits that are not on the primary exactly once. */
function missingOf(own: Run, cluster: PatroniCluster, acknowledged: readonly string[]): Promise<number> {
  return cluster.asSuperuser(async (client) => {
    const { rows } = await client.query<{ missing: number }>(
      `select count(*)::int as missing from unnest($2::uuid[]) as told (id)
        where (select count(*) from appointment a where a.tenant_id = $1 and a.id = told.id and a.status = 'booked') <> 1`,
      [own.tenantId, acknowledged],
    );
    return rows[0]?.missing ?? Number.NaN;
  }, own.database);
}

/** Through the proxy's address of the standbys, where the killed node answers. */
function standbyHasAll(own: Run, cluster: PatroniCluster, booked: number): Promise<boolean> {
  const holds = () =>
    cluster.asSuperuser(
      async (client) => {
        const { rows } = await client.query<{ standby: boolean; booked: number }>(
          `select pg_is_in_recovery() as standby,
                  (select count(*) from appointment where tenant_id = $1 and status = 'booked')::int as booked`,
          [own.tenantId],
        );
        return rows[0]?.standby === true && rows[0].booked === booked;
      },
      own.database,
      cluster.replica,
    );
  return waitUntil(() => holds().catch(() => false), backWithinMs);
}

async function readsAnswered({ stack }: Run, headers: Readonly<Record<string, string>>): Promise<boolean> {
  const statuses: number[] = [];
  for (const { url } of stack.apis) {
    const connection = new HttpConnection(url);
    statuses.push((await connection.request('GET', `${appointmentsPath}?limit=10`, headers)).status);
    connection.close();
  }
  return statuses.every((status) => status === 200);
}

await run('failover', drill);
