import { parseConfig } from '#infra/config';
import { RedisConnections, redisConfig } from '#infra/redis';
import { createLog, Metrics } from '#infra/telemetry';
import type { Run } from './stack.js';

const bootTimeoutMs = 5_000;
const pauseMs = 60_000;

/** One queue of the product as its Redis has it. */
export class JobQueue {
  private constructor(
    private readonly connections: RedisConnections,
    private readonly name: string,
  ) {}

  static async open({ stack }: Run, name: string): Promise<JobQueue> {
    const { redis } = parseConfig({ redis: redisConfig }, stack.environment);
    const log = createLog({ level: 'error', service: 'load' }, { app: 'load', version: '0' });
    const connections = new RedisConnections(redis, log, new Metrics());
    if (!(await connections.ready('queues', bootTimeoutMs))) throw new Error('the queues’ Redis does not answer');
    return new JobQueue(connections, name);
  }

  /** Until `resume`, for a minute at most: no command that writes is carried out; those that come wait. */
  async pauseWrites(): Promise<void> {
    await this.#redis.call('CLIENT', 'PAUSE', String(pauseMs), 'WRITE');
  }

  async resume(): Promise<void> {
    await this.#redis.call('CLIENT', 'UNPAUSE');
  }

  /** Somebody has taken the job and not said that it is done. */
  async isUnderWay(id: string): Promise<boolean> {
    return (await this.#redis.lrange(this.#key('active'), 0, -1)).includes(id);
  }

  async isDone(id: string): Promise<boolean> {
    return (await this.#redis.zscore(this.#key('completed'), id)) !== null;
  }

  /** How often the job was taken from a worker that had gone silent. */
  async lostWorkers(id: string): Promise<number> {
    return Number(await this.#redis.hget(this.#key(id), 'stc'));
  }

  close(): Promise<void> {
    return this.connections.close();
  }

  get #redis() {
    return this.connections.get('queues');
  }

  #key(part: string): string {
    return `{bull:${this.name}}:${this.name}:${part}`;
  }
}
