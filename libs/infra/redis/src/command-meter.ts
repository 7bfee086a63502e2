import { Cluster, type Redis } from 'ioredis';
import { monotonicMs } from '#infra/kernel';
import type { Histogram, Metrics } from '#infra/telemetry';
import type { RedisConnection } from './connect.js';
import type { RedisRole } from './roles.js';

export interface CommandCounts {
  /** Given to the role's connections since the process began. */
  readonly commandCount: number;
  /** Milliseconds from giving a command to its answer or failure, the mean of all that did not block; null before the first. */
  readonly averageResponseTime: number | null;
}

interface Tally {
  given: number;
  answered: number;
  totalMs: number;
}

interface Given {
  readonly name: string;
  readonly promise: Promise<unknown>;
}

/** These wait on the server for something to come: their time says nothing about Redis. */
const waits = /^(b(l|r|z)|xread|wait|(p|s)?subscribe)/i;

/** ioredis subscribes anew by itself after a lost connection, and nobody else waits for that: its failure must not end the process. */
const heardElsewhere = (): void => {};

/** Counts and times the commands of each role, of a cluster on all its nodes. */
export class CommandMeter {
  readonly #tallies = new Map<RedisRole, Tally>();
  readonly #duration: Histogram<'role'>;
  /** A command that is redirected, or waits for a connection, is given more than once. */
  readonly #seen = new WeakSet<Given>();

  constructor(metrics: Metrics) {
    this.#duration = metrics.histogram('redis_command_duration_seconds', 'Time of commands that do not block.', [
      'role',
    ]);
  }

  watch(connection: RedisConnection, role: RedisRole): void {
    const measure = (redis: Redis) => this.#measure(redis, role);
    if (connection instanceof Cluster) connection.on('+node', measure);
    else measure(connection);
  }

  counts(role: RedisRole): CommandCounts {
    const { given, answered, totalMs } = this.#tally(role);
    return { commandCount: given, averageResponseTime: answered === 0 ? null : totalMs / answered };
  }

  #measure(redis: Redis, role: RedisRole): void {
    const send = redis.sendCommand;
    redis.sendCommand = (command, stream) => {
      this.#took(command as Given, role);
      return send.call(redis, command, stream);
    };
  }

  #took(command: Given, role: RedisRole): void {
    if (this.#seen.has(command)) return;
    this.#seen.add(command);
    const tally = this.#tally(role);
    tally.given += 1;
    if (waits.test(command.name)) {
      command.promise.catch(heardElsewhere);
      return;
    }
    const startedAt = monotonicMs();
    const answered = () => {
      const ms = monotonicMs() - startedAt;
      tally.answered += 1;
      tally.totalMs += ms;
      this.#duration.observe({ role }, ms / 1_000);
    };
    command.promise.then(answered, answered);
  }

  #tally(role: RedisRole): Tally {
    const tally = this.#tallies.get(role) ?? { given: 0, answered: 0, totalMs: 0 };
    this.#tallies.set(role, tally);
    return tally;
  }
}
