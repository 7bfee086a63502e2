import cluster from 'node:cluster';
import { setTimeout as sleep } from 'node:timers/promises';
import { monotonicMs } from '#infra/kernel';
import type { Log, ProcessIdentity, TelemetryConfig } from '#infra/telemetry';
import { AgentCheck, type Capacity } from './agent-check.js';
import { bytesOf } from './bytes.js';
import { CrewMember, type Departing } from './crew-member.js';
import { CrewMetrics } from './crew-metrics.js';
import { exitCodeOf, exitCodes } from './exit-codes.js';
import { weightOf } from './load.js';
import type { ProcessesConfig } from './processes.config.js';
import { engineHeapLimitBytes, engineLimitMb } from './recycling.js';
import { afterEnd, type History, newHistory, restartDelayMs, shouldGiveUp } from './restarts.js';

/** A worker that was told to drain and is still there after this long is killed: the whole is over within 35 s. */
export const drainKillMs = 34_500;
const watchEveryMs = 1_000;
/** A primary that looks this much too late was stopped itself, and knows nothing of its workers' silence. */
const absentAfterMs = 3_000;

interface PrimarySetup {
  readonly config: ProcessesConfig;
  readonly telemetry: TelemetryConfig;
  readonly identity: ProcessIdentity;
  readonly log: Log;
  readonly size: number;
  /** Answers the agent-check for all workers. */
  readonly agent: boolean;
}

/** A place for one worker, and what is known of those who had it. */
interface Place {
  current: CrewMember | undefined;
  history: History;
  /** A replacement is starting: it takes the place, also when the present worker ends before that. */
  swap: Promise<unknown> | undefined;
}

/** `gone`: the one to be replaced ended meanwhile, or all are going. */
type Swap = 'replaced' | 'kept' | 'gone';

/** Keeps the workers of one app alive and replaces them one by one; serves nobody and connects to nothing itself. */
export class Primary {
  readonly #places: readonly Place[];
  readonly #members = new Set<CrewMember>();
  /** Those that asked to be replaced and wait for it. */
  readonly #retiring = new Set<CrewMember>();
  readonly #metrics: CrewMetrics;
  readonly #exit = Promise.withResolvers<number>();
  #stopping = false;
  /** One replacement starts after the other. */
  #turn: Promise<Swap> = Promise.resolve('gone');
  #roll: 'none' | 'running' | 'once_more' = 'none';
  #watchedAt = monotonicMs();

  constructor(private readonly setup: PrimarySetup) {
    const { size, telemetry: config, identity, log } = setup;
    this.#places = Array.from({ length: size }, () => ({ current: undefined, history: newHistory, swap: undefined }));
    this.#metrics = new CrewMetrics({ config, identity, log, members: () => this.#members });
  }

  /** Resolves with the exit code when the crew is gone: after `stop`, or because no worker could start. */
  async run(): Promise<number> {
    const { config, log, size } = this.setup;
    this.#prepareForks();
    const agent = new AgentCheck(() => this.capacity());
    if (this.setup.agent && config.agentPort > 0) await agent.open(config.agentPort, config.agentHost);
    log.info('cluster.starting', { count: size });
    const watch = setInterval(() => this.#watch(), watchEveryMs);
    for (const place of this.#places) void this.#keep(place);
    const code = await this.#exit.promise;
    clearInterval(watch);
    agent.close();
    return code;
  }

  /** All workers drain at the same time. */
  async stop(): Promise<void> {
    this.#stopping = true;
    const serving = [...this.#members].filter(({ state }) => state === 'serving' || state === 'draining');
    for (const member of this.#members) if (member.state === 'booting') member.kill('shutdown');
    const endings = await Promise.all(serving.map((member) => this.#drain(member, 'shutdown', false)));
    const allDone = endings.every((ending) => exitCodeOf(ending) === exitCodes.done);
    this.#exit.resolve(allDone ? exitCodes.done : exitCodes.failed);
  }

  /** Replaces every worker that is here now, one by one. Asked again meanwhile, it goes round once more. */
  async roll(): Promise<void> {
    const { log } = this.setup;
    if (this.#roll !== 'none') {
      this.#roll = 'once_more';
      return;
    }
    do {
      this.#roll = 'running';
      log.info('cluster.rolling', { count: this.#places.length });
      const replaced = await this.#rollOnce();
      if (replaced) log.info('cluster.rolled', { count: this.#places.length });
      else log.error('cluster.roll_stopped', { hint: 'a new worker did not start: those before it were kept' });
    } while (this.#wantsOneMore());
    this.#roll = 'none';
  }

  /** For the last moment: nobody drains. */
  killAll(): void {
    for (const member of this.#members) member.kill('shutdown');
  }

  /** What a balancer should know: of the workers that should be here, how many serve, and how late they are. */
  capacity(): Capacity {
    if (this.#stopping) return 'drain';
    const serving = this.#places.flatMap(({ current }) => (current?.state === 'serving' ? [current.load] : []));
    const percents = serving.filter((load) => load.serving).map(({ delayMs }) => weightOf(delayMs));
    const total = percents.reduce((sum, each) => sum + each, 0);
    return total === 0 ? 'down' : Math.max(1, Math.round(total / this.#places.length));
  }

  /** One connection after the other to whoever waits for one, and as much heap as the guard lets them have. */
  #prepareForks(): void {
    const limitBytes = bytesOf(this.setup.config.maxHeap) ?? 0;
    const neededMb = engineLimitMb(limitBytes);
    const enough = engineHeapLimitBytes() >= neededMb * 2 ** 20;
    cluster.schedulingPolicy = cluster.SCHED_RR;
    cluster.setupPrimary({
      serialization: 'advanced',
      execArgv: enough ? process.execArgv : [...process.execArgv, `--max-old-space-size=${neededMb}`],
    });
  }

  /** As long as the crew is wanted, somebody has this place. */
  async #keep(place: Place): Promise<void> {
    while (!this.#stopping) {
      const member = place.current ?? (await this.#bring(place));
      if (member === undefined) continue;
      await member.ended;
      await place.swap;
      if (place.current !== member) continue;
      place.history = afterEnd(place.history, member.servedMs);
      place.current = undefined;
    }
  }

  /** Undefined when the worker did not start. */
  async #bring(place: Place): Promise<CrewMember | undefined> {
    const delayMs = restartDelayMs(place.history.endsInRow);
    if (delayMs > 0) await sleep(delayMs);
    if (this.#stopping) return undefined;
    const member = this.#fork();
    if (await member.served) {
      place.current = member;
      return member;
    }
    place.history = afterEnd(place.history, undefined);
    const ending = await member.ended;
    const { failedBoots: attempts } = place.history;
    if (!this.#stopping && shouldGiveUp(attempts, this.#someoneServes())) this.#giveUp(attempts, exitCodeOf(ending));
    return undefined;
  }

  #giveUp(attempts: number, exitCode: number): void {
    this.#stopping = true;
    const hint = 'workers end before they are ready: see what they wrote last';
    this.setup.log.error('cluster.gave_up', { attempts, exitCode, hint });
    this.killAll();
    this.#exit.resolve(exitCode);
  }

  #someoneServes(besides?: CrewMember): boolean {
    return [...this.#members].some((member) => member !== besides && member.state === 'serving');
  }

  #fork(): CrewMember {
    const member = new CrewMember(cluster.fork(), {
      gather: (asking, id) => void this.#metrics.gather().then((snapshots) => asking.giveMetrics(id, snapshots)),
      retire: (retiring, reason) => this.#onRetire(retiring, reason),
    });
    this.#members.add(member);
    void member.ended.then((ending) => {
      this.#members.delete(member);
      this.#metrics.ended(member);
      const { id: worker, pid, departing: reason } = member;
      const level = reason === 'crash' || reason === 'hung' ? 'error' : 'info';
      this.setup.log[level]('cluster.worker_ended', { worker, pid, reason, exitCode: exitCodeOf(ending) });
    });
    return member;
  }

  #onRetire(member: CrewMember, reason: Departing): void {
    const place = this.#places.find(({ current }) => current === member);
    if (place === undefined || place.swap !== undefined || this.#stopping || this.#retiring.has(member)) return;
    this.#retiring.add(member);
    this.setup.log.info('cluster.worker_retires', { worker: member.id, pid: member.pid, reason });
    void this.#replace(place, member, reason).finally(() => this.#retiring.delete(member));
  }

  async #rollOnce(): Promise<boolean> {
    const present = this.#places.flatMap((place) =>
      place.current === undefined ? [] : [[place, place.current] as const],
    );
    for (const [place, member] of present)
      if (!this.#stopping && !(await this.#replace(place, member, 'restart'))) return false;
    return true;
  }

  #wantsOneMore(): boolean {
    return this.#roll === 'once_more' && !this.#stopping;
  }

  /** The replacement serves before the old one drains. False when it did not start: the old one stays. */
  async #replace(place: Place, old: CrewMember, reason: Departing): Promise<boolean> {
    const turn = this.#turn.then(() => this.#swap(place, old));
    this.#turn = turn;
    const outcome = await turn;
    // Whoever sent it a signal wants it to go, replaced or not.
    if (outcome === 'replaced' || (outcome === 'kept' && reason === 'signal'))
      await this.#drain(old, reason, this.#someoneServes(old));
    return outcome !== 'kept';
  }

  async #swap(place: Place, old: CrewMember): Promise<Swap> {
    await sleep(restartDelayMs(place.history.failedBoots));
    if (place.current !== old || this.#stopping) return 'gone';
    const next = this.#fork();
    place.swap = next.served;
    const serves = await next.served;
    place.swap = undefined;
    if (this.#stopping) return 'gone';
    if (serves) place.current = next;
    place.history = serves ? newHistory : afterEnd(place.history, undefined);
    return serves ? 'replaced' : 'kept';
  }

  async #drain(member: CrewMember, reason: Departing, othersServe: boolean) {
    member.drain(reason, othersServe);
    const kill = setTimeout(() => {
      this.setup.log.error('cluster.drain_timed_out', { worker: member.id, pid: member.pid, timeoutMs: drainKillMs });
      member.kill();
    }, drainKillMs);
    const ending = await member.ended;
    clearTimeout(kill);
    return ending;
  }

  #watch(): void {
    const now = monotonicMs();
    const absent = now - this.#watchedAt > absentAfterMs;
    this.#watchedAt = now;
    for (const member of this.#members) {
      if (absent) member.forgive(now);
      else if (member.isOverdue(now)) {
        this.setup.log.error('cluster.worker_hung', { worker: member.id, pid: member.pid, state: member.state });
        member.kill('hung');
      }
    }
  }
}
