import { ApiClient } from '../api-client.js';
import { makeClinic } from '../clinic.js';
import { HttpConnection } from '../http-client.js';
import { type Heard, OpenLoop } from '../open-loop.js';
import { type Outcome, percentile, rounded, run, say } from '../report.js';
import { onOwnStack, type Run } from '../stack.js';
import { sql } from '../wholeness.js';

const poolMax = 10;
const databaseMs = 20;
const runningMax = 100;
const waitingMax = 2_000;
const factor = 3;
const peakSeconds = 10;
const overloadSeconds = 30;
const excludedSeconds = 10;
const connectionsMax = 3_500;
const patienceMs = 35_000;
const aimed = { p95Factor: 2, goodputShare: 0.9, refusedWithinMs: 50 } as const;

async function bench(): Promise<Outcome> {
  say(
    `Bench overload: a route that takes ${databaseMs} ms of the database, ${poolMax} connections to it, and ${factor} times as ` +
      `many requests as that allows, which come at their own rate. ${runningMax} run, ${waitingMax} wait, the rest is refused.`,
  );
  const environment = { DB_POOL_MIN: String(poolMax), DB_POOL_MAX: String(poolMax) };
  return onOwnStack({ apis: 1, servers: 1, environment }, measure);
}

async function measure(own: Run): Promise<Outcome> {
  const url = own.stack.apis[0]?.url ?? '';
  const api = await ApiClient.login(url, own.credentials);
  const path = await slowPath(own, api);
  api.close();
  const peak = await atCapacity(url, path, api.headers);
  say(
    `With ${runningMax} callers at a time: ${peak.perSecond.toFixed(0)}/s, p95 ${peak.p95Ms.toFixed(0)} ms. That is full, and normal.`,
  );
  const loop = new OpenLoop(url, path, api.headers, connectionsMax);
  await loop.open(connectionsMax);
  const startedAt = performance.now();
  await loop.run(peak.perSecond * factor, overloadSeconds);
  const endedAt = performance.now();
  await loop.end(patienceMs);
  const counted = loop.heard.filter(({ sentAtMs }) => sentAtMs >= startedAt + excludedSeconds * 1_000);
  return verdict(peak, counted, { loop, seconds: (endedAt - startedAt) / 1_000 - excludedSeconds, endedAt });
}

/** Reading one block of a calendar takes the database 20 ms more, in a policy of its table. */
async function slowPath(own: Run, api: ApiClient): Promise<string> {
  const clinic = await makeClinic(api, { name: 'Slow', triples: 1, stepMin: 15 });
  const resourceId = clinic.triples[0]?.providerId ?? '';
  const block = { start: '2027-01-04T12:00:00Z', end: '2027-01-04T13:00:00Z', reason: 'meeting' };
  await api.call('POST', `/resources/${resourceId}/blocks`, block);
  await sql(
    own,
    `create policy slow on block as restrictive for select using (pg_sleep(${databaseMs / 1_000})::text is not null)`,
  );
  return `/api/v1/resources/${resourceId}/blocks`;
}

interface Peak {
  readonly perSecond: number;
  readonly p95Ms: number;
}

/** As many callers as may run, each waiting for its answer. */
async function atCapacity(url: string, path: string, headers: Record<string, string>): Promise<Peak> {
  const endAt = performance.now() + peakSeconds * 1_000;
  const latencies: number[] = [];
  await Promise.all(
    Array.from({ length: runningMax }, async () => {
      const connection = new HttpConnection(url);
      while (performance.now() < endAt) {
        const at = performance.now();
        const { status, body } = await connection.request('GET', path, headers);
        if (status !== 200) throw new Error(`${path} was answered with ${status}: ${body}`);
        latencies.push(performance.now() - at);
      }
      connection.close();
    }),
  );
  return { perSecond: latencies.length / peakSeconds, p95Ms: percentile(latencies, 0.95) };
}

interface Overload {
  readonly loop: OpenLoop;
  readonly seconds: number;
  readonly endedAt: number;
}

function verdict(peak: Peak, counted: readonly Heard[], { loop, seconds, endedAt }: Overload): Outcome {
  const accepted = counted.filter(({ status }) => status === 200);
  const refused = counted.filter(({ code }) => code === 'service.overloaded');
  const others = counted.filter(({ status, code }) => status !== 200 && code !== 'service.overloaded');
  const otherKinds = [...new Set(others.map(({ status, code }) => `${status} ${code}`))];
  const atOnce = refused.filter(({ ms }) => ms < 1_000);
  const p95Ms = percentile(
    accepted.map(({ ms }) => ms),
    0.95,
  );
  const goodput = accepted.filter(({ sentAtMs, ms }) => sentAtMs + ms <= endedAt).length / seconds;
  const refusedP95Ms = percentile(
    atOnce.map(({ ms }) => ms),
    0.95,
  );
  say(
    `At ${factor} times that rate: ${goodput.toFixed(0)}/s accepted (${((100 * goodput) / peak.perSecond).toFixed(0)} %), p95 ` +
      `${p95Ms.toFixed(0)} ms; ${atOnce.length} refused at once, p95 ${refusedP95Ms.toFixed(1)} ms; ${refused.length - atOnce.length} ` +
      `refused after waiting; ${others.length} others (${otherKinds.join(', ')}); ${loop.unsent} not sent for want of connections.`,
  );
  return {
    passed:
      p95Ms < aimed.p95Factor * peak.p95Ms &&
      goodput >= aimed.goodputShare * peak.perSecond &&
      refusedP95Ms < aimed.refusedWithinMs &&
      others.length === 0,
    figures: {
      normalPerSecond: rounded(peak.perSecond, 0),
      normalP95Ms: rounded(peak.p95Ms),
      offeredPerSecond: rounded(peak.perSecond * factor, 0),
      acceptedPerSecond: rounded(goodput, 0),
      acceptedP95Ms: rounded(p95Ms),
      acceptedP99Ms: rounded(
        percentile(
          accepted.map(({ ms }) => ms),
          0.99,
        ),
      ),
      refusedAtOnce: atOnce.length,
      refusedAtOnceP95Ms: rounded(refusedP95Ms),
      refusedAfterWaiting: refused.length - atOnce.length,
      others: others.length,
      unsent: loop.unsent,
    },
  };
}

await run('overload', bench);
