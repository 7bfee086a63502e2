import { readFileSync } from 'node:fs';
import type { RedisConnection, RedisConnections } from '#infra/redis';
import type { ChargeGroup } from './charges.js';
import type { GroupAnswer } from './local-windows.js';

type Script = (...args: readonly (string | number)[]) => Promise<readonly number[]>;

const lua = readFileSync(new URL('./consume.lua', import.meta.url), 'utf8');
const answersBefore = 2;
const answersPerWindow = 3;

/** Windows that all processes share. */
export class RedisWindows {
  private readonly prepared = new WeakMap<RedisConnection, Set<number>>();

  constructor(private readonly redis: RedisConnections) {}

  /** One round trip; rejects when Redis cannot be asked. */
  async consume(group: ChargeGroup, cost: number): Promise<GroupAnswer> {
    const keys = group.map(({ key }) => key);
    const rules = group.flatMap(({ limit, windowMs }) => [limit, windowMs]);
    const answer = await this.scriptFor(keys.length)(...keys, cost, ...rules);
    const states = group.map((_, index) => {
      const at = answersBefore + index * answersPerWindow;
      const [remaining = 0, resetMs = 0, waitMs = 0] = answer.slice(at, at + answersPerWindow);
      return { remaining, resetMs, waitMs };
    });
    return { at: answer[0] ?? 0, taken: answer[1] === 1, states };
  }

  /** One command per number of keys: with a number that varies, pipelines to a cluster cannot tell keys from arguments. */
  private scriptFor(numberOfKeys: number): Script {
    const connection = this.redis.get('limits');
    const name = `consumeLimits${numberOfKeys}`;
    const counts = this.prepared.get(connection) ?? new Set();
    if (!counts.has(numberOfKeys)) connection.defineCommand(name, { numberOfKeys, lua });
    this.prepared.set(connection, counts.add(numberOfKeys));
    const command: Script = Reflect.get(connection, name);
    return command.bind(connection);
  }
}
