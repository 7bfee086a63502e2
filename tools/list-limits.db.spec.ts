import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { coordinatesOf, LocalCluster } from '#infra/testing';
import { Api } from '../apps/api/test/house/api.js';
import { operationsOf } from '../apps/api/test/house/operations.js';
import { samples } from '../apps/api/test/house/samples.js';
import { makeSide, type Side } from '../apps/api/test/house/world.js';
import { boundedOtherwise, isOpenEnded, openEndedAt } from './list-limits.js';

const pageSize = 7;

let cluster: LocalCluster;
let api: Api;
let side: Side;
beforeAll(async () => {
  const settings = { log_statement: 'all', log_parameter_max_length: '-1', log_error_verbosity: 'default' };
  cluster = await LocalCluster.startTemporary({
    ...{ servers: 2, replica: true, redis: true },
    durable: false,
    postgres: settings,
  });
  api = await Api.start({ ENABLE_RATE_LIMITING: 'false' }, coordinatesOf(cluster));
  side = await makeSide(api, 'shard-1');
}, 120_000);
afterAll(async () => {
  await api?.stop();
  await cluster?.stop();
});

interface Logged {
  readonly sql: string;
  readonly values: readonly string[];
}

const logs = () =>
  [...cluster.servers, cluster.replica].map((server) => readFileSync(`${server?.dataDir}.log`, 'utf8'));
/** What PostgreSQL wrote down while `work` ran: statements of tenants' rows, with their values. */
async function logged(work: () => Promise<unknown>): Promise<readonly Logged[]> {
  const before = logs().map((text) => text.length);
  await work();
  return logs()
    .flatMap((text, n) => statementsIn(text.slice(before[n])))
    .filter(({ sql }) => /tenant_id = \$1/.test(sql));
}

function statementsIn(log: string): readonly Logged[] {
  const lines = log.split(/\n(?=\d{4}-\d\d-\d\d )/);
  return lines.flatMap((line, n) => {
    const sql = /LOG: {2}execute [^:]+: ([\s\S]*)$/.exec(line)?.[1];
    if (sql === undefined) return [];
    const detail = /DETAIL: {2}parameters: ([\s\S]*)$/i.exec(lines[n + 1] ?? '')?.[1] ?? '';
    return [{ sql, values: [...detail.matchAll(/\$\d+ = (NULL|'(?:[^']|'')*')/g)].map(([, value]) => String(value)) }];
  });
}

const limitOf = ({ sql, values }: Logged): number => {
  const nth = /\blimit \$(\d+) offset \$\d+\s*$/.exec(sql)?.[1];
  return Number(values[Number(nth) - 1]?.replaceAll(`'`, ''));
};

describe('every list', () => {
  it('[E-036] has its limit: in the text of its repository, and in what PostgreSQL was asked', async () => {
    const { found } = openEndedAt(resolve(__dirname, '..'));
    expect(found.filter(({ place }) => !(place in boundedOtherwise))).toEqual([]);
    const lists = (await operationsOf(api)).filter(({ queries }) => queries.includes('cursor'));
    expect(lists.length).toBeGreaterThan(14);
    const wrong: string[] = [];
    for (const operation of lists) {
      const sample = (await samples[operation.id]?.(api, side)) ?? {};
      const query = { ...sample.query, limit: String(pageSize) };
      const asked = await logged(() => api.must({ ...operation, ...sample, query }));
      const pages = asked.filter((statement) => limitOf(statement) === pageSize + 1);
      if (pages.length === 0) wrong.push(`${operation.id} asked for no page of ${pageSize}`);
      wrong.push(...asked.filter(({ sql }) => isOpenEnded(sql)).map(({ sql }) => `${operation.id}: ${sql}`));
    }
    expect(wrong).toEqual([]);
  }, 120_000);
});
