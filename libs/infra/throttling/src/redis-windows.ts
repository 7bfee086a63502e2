import { readFileSync } from 'node:fs';
import type { RedisConnection, RedisConnections } from '#infra/redis';
import type { ChargeGroup } from './charges.js';
import type { GroupAnswer } from './local-windows.js';
import type { RuleState } from './rule.js';

type Script = (...args: readonly (string | number)[]) => Promise<readonly number[]>;

const lua = readFileSync(new URL('./consume.lua', import.meta.url), 'utf8');
const answersBefore = 4;
const answersPerCharge = 3;
const nothingOwed: readonly number[] = [];

/** Counts that all processes share. */
export class RedisWindows {
  private readonly prepared = new WeakMap<RedisConnection, Script[]>();

  constructor(private readonly redis: RedisConnections) {}

  /** One round trip; rejects when Redis cannot be asked. `owed`: what passed already, in the order of the charges. */
  async consume({ charges, abuse }: ChargeGroup, owed = nothingOwed): Promise<GroupAnswer> {
    const args: (string | number)[] = charges.map(({ key }) => key);
    if (abuse !== undefined) args.push(abuse);
    const script = this.scriptFor(args.length);
    args.push(abuse === undefined ? 0 : 1);
    for (const [n, { rule, cost, blamed }] of charges.entries())
      args.push(rule.algorithm, rule.limit, rule.windowMs, cost, owed[n] ?? 0, blamed ? 1 : 0);
    const answer = await script(...args);
    const states: RuleState[] = charges.map((_, n) => {
      const at = answersBefore + n * answersPerCharge;
      return { remaining: answer[at] ?? 0, resetMs: answer[at + 1] ?? 0, waitMs: answer[at + 2] ?? 0 };
    });
    const [at = 0, taken, blockedMs = 0, level = 0] = answer;
    if (blockedMs === 0) return { at, taken: taken === 1, states };
    return { at, taken: false, states, blockedMs, ...(level > 0 ? { blockedNow: true } : {}) };
  }

  /** One command per number of keys: with a number that varies, pipelines to a cluster cannot tell keys from arguments. */
  private scriptFor(numberOfKeys: number): Script {
    const connection = this.redis.get('limits');
    const scripts = this.prepared.get(connection) ?? [];
    const known = scripts[numberOfKeys];
    if (known !== undefined) return known;
    const name = `consumeLimits${numberOfKeys}`;
    connection.defineCommand(name, { numberOfKeys, lua });
    const command: Script = Reflect.get(connection, name);
    const script = command.bind(connection);
    scripts[numberOfKeys] = script;
    this.prepared.set(connection, scripts);
    return script;
  }
}
