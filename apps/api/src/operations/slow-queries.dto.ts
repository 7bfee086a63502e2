import { z } from 'zod';
import { type FannedOut, type StatementOrder, type StatementStats, statementOrders } from '#infra/sharding';

const ms = z.number().meta({ description: 'milliseconds' });

const statement = z.strictObject({
  fingerprint: z.string().meta({ description: 'as PostgreSQL’s log names it' }),
  text: z.string().meta({ description: '`$1` stands where a value was' }),
  calls: z.number(),
  rows: z.number(),
  totalMs: ms,
  meanMs: ms,
  maxMs: ms,
  hitRatio: z.number().nullable().meta({ description: 'of the pages that it read; null: it read none' }),
});
const server = z.strictObject({
  name: z.string().meta({ description: '`directory`, `shard-1`, `shard-1 replica-1` …; never an address' }),
  ok: z.boolean(),
  ms,
  error: z.string().nullable().meta({
    description:
      '`statements.not_loaded`, `statements.not_installed`: the server counts no statements; else it is away',
  }),
  statements: z.array(statement),
});

export const slowQueriesAnswer = z.strictObject({ order: z.enum(statementOrders), servers: z.array(server) });
export const slowQueriesQuery = z.strictObject({
  order: z
    .enum(statementOrders)
    .default('total')
    .meta({ description: 'by the time of all its runs, of one on average, or of the longest' }),
});

const rounded = (value: number): number => Math.round(value * 1_000) / 1_000;

const presentStatement = ({
  totalMs,
  meanMs,
  maxMs,
  hitRatio,
  ...stats
}: StatementStats): z.input<typeof statement> => ({
  ...stats,
  totalMs: rounded(totalMs),
  meanMs: rounded(meanMs),
  maxMs: rounded(maxMs),
  hitRatio: hitRatio === null ? null : rounded(hitRatio),
});

export const presentSlowQueries = (order: StatementOrder, { data, shards }: FannedOut<readonly StatementStats[]>) =>
  ({
    order,
    servers: shards.map(({ id, ms: tookMs, ...outcome }) => ({
      name: id,
      ...outcome,
      ms: rounded(tookMs),
      statements: (data.find((one) => one.id === id)?.value ?? []).map(presentStatement),
    })),
  }) satisfies z.input<typeof slowQueriesAnswer>;
