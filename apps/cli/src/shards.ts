import { parseArgs } from 'node:util';
import { installationOf, type MoveStatus, rebalancePlan, type ShardStatus, setShardState } from '#infra/sharding';
import { type Command, UsageError } from './command.js';
import { moverOptions, sizeText } from './tenants-move.js';

export const shardsStatusCommand: Command = {
  words: 'shards status',
  usage: 'shards status [--json]',
  summary: 'every shard as it answers now, its tenants and replicas, and the moves under way',
  async run(args) {
    const { values } = parsed(args, { json: { type: 'boolean' } }, 0);
    const { shards, moves } = await installationOf(moverOptions());
    if (values.json === true) console.log(JSON.stringify({ shards, moves }));
    else for (const line of [...shards.map(shardLine), ...moves.map(moveLine)]) console.log(line);
    if (shards.some(({ error }) => error !== null)) process.exitCode = 1;
  },
};

export const shardsAddCommand: Command = {
  words: 'shards add',
  usage: 'shards add SHARD [--weight 100] [--region default]',
  summary: 'let new tenants live on a shard that is configured and migrated; again, it changes weight and region',
  async run(args) {
    const { values, positionals } = parsed(args, { weight: { type: 'string' }, region: { type: 'string' } }, 1);
    const [id = ''] = positionals;
    const weight = values.weight === undefined ? undefined : weightOf(values.weight);
    await setShardState(moverOptions(), id, {
      state: 'active',
      ...(weight === undefined ? {} : { weight }),
      ...(typeof values.region === 'string' ? { region: values.region } : {}),
    });
    console.log(JSON.stringify({ shard: id, state: 'active' }));
  },
};

export const shardsDrainCommand: Command = {
  words: 'shards drain',
  usage: 'shards drain SHARD',
  summary: 'no new tenants there; those that it has stay until they are moved (rebalance --dry-run says where to)',
  async run(args) {
    const [id = ''] = parsed(args, {}, 1).positionals;
    const options = moverOptions();
    await setShardState(options, id, { state: 'draining' });
    const { shards } = await installationOf(options);
    const tenants = shards.find((shard) => shard.id === id)?.tenants ?? 0;
    console.log(JSON.stringify({ shard: id, state: 'draining', tenants }));
  },
};

export const rebalanceCommand: Command = {
  words: 'rebalance',
  usage: 'rebalance --dry-run',
  summary: 'which tenants should move where, as the commands that would move them; reads every table once',
  async run(args) {
    const { values } = parsed(args, { 'dry-run': { type: 'boolean' } }, 0);
    if (values['dry-run'] !== true) throw new UsageError('only --dry-run: moves are begun one by one');
    const { moves, crowded, before, after } = await rebalancePlan(moverOptions(), membersOfOne);
    console.error(
      `the fullest shard has ${before.toFixed(2)} of the mean; after ${moves.length} moves ${after.toFixed(2)}`,
    );
    for (const { tenant, from, to, bytes, why } of moves)
      console.log(`praxis tenants move ${tenant} ${to}  # from ${from}, ${sizeText(bytes)}, ${why}`);
    for (const { tenant, shardId, rows, to } of crowded)
      console.log(
        `# ${tenant} has ${rows} members on ${shardId}, which carries more than the others: ` +
          (to === null ? 'give it a shard of its own (praxis shards add)' : `praxis tenants move ${tenant} ${to}`),
      );
  },
};

/** Beyond this a tenant is worth a look of its own where its shard is busy. */
const membersOfOne = { table: 'member', rowsMax: 100_000 } as const;

function shardLine({ id, state, weight, region, tenants, txPerS, ...shard }: ShardStatus): string {
  const rate = txPerS === null ? 'not measured yet' : `${txPerS.toFixed(1)} tx/s`;
  const known = `${id}  ${state}  weight ${weight}  region ${region}  ${tenants} tenants  ${rate}`;
  if (shard.error !== null) return `${known}  AWAY: ${shard.error}`;
  const replicas = shard.replicas.map(
    ({ name, lagBytes }) => `${name} ${lagBytes === null ? 'AWAY' : `${sizeText(lagBytes)} behind`}`,
  );
  const here = `${sizeText(shard.bytes ?? 0)}  ${shard.connections} of ${shard.connectionsMax} connections`;
  return [known, `schema ${shard.schemaVersion}`, here, ...replicas].join('  ');
}

function moveLine(move: MoveStatus): string {
  const { tenant, source, target, step, rows, rowsCopied, lagBytes, pauseMs, error, heartbeatAt } = move;
  const parts = [
    `moving ${tenant}  ${source} → ${target}  ${step}`,
    ...(rows === null ? [] : [`${rowsCopied} of ${rows} rows`]),
    ...(lagBytes === null ? [] : [`${sizeText(lagBytes)} behind`]),
    ...(pauseMs === null ? [] : [`paused ${Math.round(pauseMs)} ms`]),
    `last heard of ${new Intl.DateTimeFormat('sv', { dateStyle: 'short', timeStyle: 'medium', timeZone: 'UTC' }).format(heartbeatAt)} UTC`,
    ...(error === null ? [] : [`stopped: ${error}`]),
  ];
  return parts.join('  ');
}

function weightOf(text: string | boolean): number {
  const weight = Number(text);
  if (!Number.isInteger(weight) || weight < 1 || weight > 10_000) throw new UsageError('--weight must be 1 to 10000');
  return weight;
}

type Options = Readonly<Record<string, { readonly type: 'string' | 'boolean' }>>;

function parsed(args: readonly string[], options: Options, positionals: number) {
  let found: ReturnType<typeof parseArgs<{ options: Options; allowPositionals: true }>>;
  try {
    found = parseArgs({ args: [...args], options, allowPositionals: true });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : 'options not understood');
  }
  if (found.positionals.length !== positionals)
    throw new UsageError(positionals === 0 ? 'options only' : 'exactly one shard');
  return found;
}
