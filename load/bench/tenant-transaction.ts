import { type CpuMs, cpuSince } from '../cpu.js';
import { median, type Outcome, rounded, run, say } from '../report.js';
import { onOwnStack, postgresOf, type Run } from '../stack.js';
import { watchBackends } from '../transaction/backends.js';
import { openProduct, type Product } from '../transaction/product.js';
import { inOneFlight, type Kind, kinds, oneByOne, underLoad, type Way } from '../transaction/ways.js';

const applicationName = 'bench';
const poolMax = 10;
const callers = 10;
const rounds = 9;
const roundS = 2;
const warmUpS = 2;
/** Callers at a time per connection of the pool, for the budget. */
const crowdFactor = 20;
const crowdS = 5;
const aimedRatio = 0.9;
/** Of a transaction that waits elsewhere: what connections are for. */
const waitText = 'select pg_sleep(0.02)';

interface Round {
  readonly perSecond: number;
  /** Processor time of one transaction, microseconds: this process, and PostgreSQL. */
  readonly ownUs: number;
  readonly postgresUs: number;
}

interface Compared {
  readonly kind: Kind;
  readonly flight: readonly Round[];
  readonly single: readonly Round[];
}

async function bench(): Promise<Outcome> {
  say('Bench tenant-transaction: what the transaction of a tenant costs when it is sent in one flight.');
  say(
    `One side sends BEGIN, the tenant’s entry, one statement and COMMIT as the product does, the other the same ` +
      `statements one by one, each awaited; the same pool of ${poolMax} connections, ${callers} callers. ${rounds} rounds of ` +
      `${roundS} s each, in turns; medians of processor time count; aim: at most ${aimedRatio} of it. Then ` +
      `${crowdFactor * poolMax} callers at a time: PostgreSQL must never have more connections than the process may open.`,
  );
  return onOwnStack({ apis: 1, servers: 2, shard: 'shard-2' }, measure);
}

const settings = (max: number): Readonly<Record<string, string>> => ({
  DB_POOL_MIN: String(Math.min(5, max)),
  DB_POOL_MAX: String(max),
  DB_ACQUIRE_TIMEOUT: '60000',
  DB_QUEUE_LIMIT: '10000',
});

async function measure(own: Run): Promise<Outcome> {
  const product = await openProduct(own, applicationName, settings(poolMax));
  try {
    const compared: Compared[] = [];
    for (const kind of kinds) compared.push(await compare(own, product, kind));
    const crowd = await watchBackends(own, applicationName, () =>
      underLoad(inOneFlight(product, 'write'), crowdFactor * poolMax, crowdS),
    );
    const budget = budgetOf(own, product);
    say(
      `${crowdFactor * poolMax} callers: ${crowd.value} transactions, at most ${crowd.most} connections in ${crowd.samples} ` +
        `looks; the process may open ${budget} there, PostgreSQL takes ${crowd.maxConnections}.`,
    );
    return verdict(compared, { ...crowd, budget, pooledRatio: await pooledRatio(own) });
  } finally {
    await product.end();
  }
}

/** Both ways in turns; the one that goes first changes with each round. */
async function compare(own: Run, product: Product, kind: Kind): Promise<Compared> {
  const ways = [inOneFlight(product, kind), oneByOne(product, kind)] as const;
  const found: readonly [Round[], Round[]] = [[], []];
  for (const way of ways) await underLoad(way, callers, warmUpS);
  for (let n = 0; n < rounds; n += 1)
    for (const place of n % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const))
      found[place].push(await round(own, ways[place]));
  const [flight, single] = found;
  const shown = (name: string, all: readonly Round[]) =>
    `${name} ${medianOf(all, 'ownUs').toFixed(0)} + ${medianOf(all, 'postgresUs').toFixed(0)} µs, ${medianOf(all, 'perSecond').toFixed(0)}/s`;
  say(`  ${kind}: ${shown('in one flight', flight)}; ${shown('one by one', single)} (this process + PostgreSQL)`);
  return { kind, flight, single };
}

async function round(own: Run, way: Way): Promise<Round> {
  const cpu = cpuSince(undefined, postgresOf(own).pid);
  const startedAt = performance.now();
  const done = await underLoad(way, callers, roundS);
  const tookS = (performance.now() - startedAt) / 1_000;
  const { generator, postgres }: CpuMs = cpu();
  const each = (ms: number) => (ms * 1_000) / done;
  return { perSecond: done / tookS, ownUs: each(generator), postgresUs: each(postgres) };
}

/** How many more operations a second a pool of 20 carries than one connection, where each waits 20 ms at the server. */
async function pooledRatio(own: Run): Promise<number> {
  const waiting = ({ sharding, ctx }: Product): Way => ({
    name: 'waiting',
    once: async () => void (await sharding.read(ctx, (tx) => tx.db.query(waitText))),
  });
  const perSecond = async (max: number): Promise<number> => {
    const other = await openProduct(own, `bench-${max}`, settings(max));
    try {
      await underLoad(waiting(other), 40, 1);
      return (await underLoad(waiting(other), 40, 3)) / 3;
    } finally {
      await other.end();
    }
  };
  const [single, pooled] = [await perSecond(1), await perSecond(20)];
  say(`Operations of 20 ms: ${single.toFixed(0)}/s on one connection, ${pooled.toFixed(0)}/s on a pool of 20.`);
  return pooled / single;
}

/** What the process may open on the tenant's server, all its pools there together. */
function budgetOf({ server }: Run, { databases }: Product): number {
  const name = `shard-${server + 1}`;
  return databases.demands().find(({ databases: there }) => there.includes(name))?.connections ?? 0;
}

const medianOf = (all: readonly Round[], field: keyof Round): number => median(all.map((one) => one[field]));

const totalUs = (all: readonly Round[]): number => median(all.map(({ ownUs, postgresUs }) => ownUs + postgresUs));

interface Crowd {
  readonly most: number;
  readonly samples: number;
  readonly maxConnections: number;
  readonly budget: number;
  readonly pooledRatio: number;
}

function verdict(compared: readonly Compared[], crowd: Crowd): Outcome {
  const ratios = compared.map(({ flight, single }) => totalUs(flight) / totalUs(single));
  const worst = Math.max(...ratios);
  const within = crowd.most > 0 && crowd.most <= crowd.budget && crowd.budget <= crowd.maxConnections - 10;
  say(
    `In one flight costs ${ratios.map((ratio) => ratio.toFixed(2)).join(' and ')} of one by one (aim: at most ${aimedRatio}).`,
  );
  const figures = compared.flatMap(({ kind, flight, single }, n) => [
    [`${kind}Ratio`, rounded(ratios[n] ?? Number.NaN, 2)],
    [`${kind}FlightCpuUs`, rounded(totalUs(flight))],
    [`${kind}OneByOneCpuUs`, rounded(totalUs(single))],
    [`${kind}FlightPerSecond`, rounded(medianOf(flight, 'perSecond'), 0)],
    [`${kind}OneByOnePerSecond`, rounded(medianOf(single, 'perSecond'), 0)],
  ]);
  return {
    passed: worst <= aimedRatio && within,
    figures: {
      ...Object.fromEntries(figures),
      aimedRatio,
      rounds,
      callersAtATime: crowdFactor * poolMax,
      mostBackends: crowd.most,
      budget: crowd.budget,
      backendSamples: crowd.samples,
      maxConnections: crowd.maxConnections,
      pooledToSingle: rounded(crowd.pooledRatio),
    },
  };
}

await run('tenant-transaction', bench);
