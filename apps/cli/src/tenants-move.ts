import { parseArgs } from 'node:util';
import { parseConfig } from '#infra/config';
import { systemClock, toDate } from '#infra/kernel';
import {
  abortMove,
  cleanAfterMoves,
  directoryName,
  type MoveNews,
  type MoverOptions,
  moveTenant,
  shardingConfig,
} from '#infra/sharding';
import { operatorConfig } from './cli.config.js';
import { type Command, UsageError } from './command.js';
import { tellingProcesses } from './telling.js';

const hourMs = 3_600_000;
const minuteMs = 60_000;

/** The mover as the environment describes the installation. Progress goes to stderr: stdout holds the result alone. */
export function moverOptions(further: Partial<MoverOptions> = {}): MoverOptions {
  const { sharding, operator } = parseConfig({ sharding: shardingConfig, operator: operatorConfig });
  const { shardUrls, shardReplicas, readReplicas } = sharding;
  return {
    admin: { user: operator.adminUser, password: operator.adminPassword },
    directory: { name: directoryName, url: sharding.directoryUrl },
    shards: shardUrls.flatMap((url, n) => {
      const replicas = shardReplicas[n] ?? (n === 0 ? readReplicas : []);
      return url ? [{ name: `shard-${n + 1}`, url, replicas }] : [];
    }),
    clock: systemClock,
    report: (news) => console.error(lineOf(news)),
    ...further,
  };
}

export const tenantsMoveCommand: Command = {
  words: 'tenants move',
  usage: 'tenants move TENANT (SHARD [--keep-hours 24] [--patience-minutes 5] | --abort)',
  summary: 'move a tenant to another shard while it is used, or go on with a move that stopped; --abort: not after all',
  async run(args) {
    const { tenant, shardId, keepMs, patienceMs } = read(args);
    if (shardId === undefined) {
      const { target, step } = await abortMove(moverOptions(), tenant);
      console.log(JSON.stringify({ tenant, aborted: target, at: step }));
      return;
    }
    const signal = stoppedByTerminal();
    const outcome = await tellingProcesses((told) =>
      moveTenant(moverOptions({ keepMs, patienceMs, signal, told }), { tenant, shardId }),
    );
    console.log(JSON.stringify({ ...outcome, keepUntil: toDate(outcome.keepUntil).toISOString() }));
  },
};

export const tenantsCleanCommand: Command = {
  words: 'tenants clean',
  usage: 'tenants clean',
  summary: 'remove what moved tenants left on their former shards, once it was kept long enough',
  async run(args) {
    if (args.length > 0) throw new UsageError('it takes no options');
    const cleaned = await cleanAfterMoves(moverOptions());
    for (const each of cleaned) console.log(JSON.stringify(each));
  },
};

/** The move stops at its next point and stays as it is; the same command goes on with it. */
function stoppedByTerminal(): AbortSignal {
  const stopping = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const)
    process.once(name, () => stopping.abort(new Error('stopped; run the same command again to go on, or --abort')));
  return stopping.signal;
}

function lineOf(news: MoveNews): string {
  if (news.kind === 'point') return `${news.point}: ${news.text}`;
  const { tables, tablesReady, rows, rowsCopied, bytes, lagBytes } = news;
  const share = rows === 0 ? 1 : rowsCopied / rows;
  const lag = lagBytes === null ? 'not following yet' : `${sizeText(lagBytes)} behind`;
  return (
    `copying: ${tablesReady} of ${tables} tables, ${Math.round(rowsCopied)} of ${rows} rows, ` +
    `about ${sizeText(share * bytes)} of ${sizeText(bytes)}, ${lag}`
  );
}

const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const;

export function sizeText(bytes: number): string {
  const power = Math.min(units.length - 1, bytes < 1 ? 0 : Math.floor(Math.log2(bytes) / 10));
  return `${(bytes / 1024 ** power).toFixed(power === 0 ? 0 : 1)} ${units[power]}`;
}

function read(args: readonly string[]) {
  const { positionals, values } = parse(args);
  const [tenant, shardId] = positionals;
  if (tenant === undefined || positionals.length > 2) throw new UsageError('one tenant and one shard');
  if ((shardId === undefined) !== (values.abort === true)) throw new UsageError('either a shard or --abort');
  return {
    tenant,
    shardId,
    keepMs: numberOf('keep-hours', values['keep-hours'] ?? '24') * hourMs,
    patienceMs: numberOf('patience-minutes', values['patience-minutes'] ?? '5') * minuteMs,
  };
}

function numberOf(option: string, text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value) || value < 0)
    throw new UsageError(`--${option} must be a number from 0`);
  return value;
}

function parse(args: readonly string[]) {
  const text = { type: 'string' } as const;
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { 'keep-hours': text, 'patience-minutes': text, abort: { type: 'boolean' } },
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : 'options not understood');
  }
}
