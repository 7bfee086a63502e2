import type { Worker } from 'node:cluster';
import { setTimeout as sleep } from 'node:timers/promises';
import { monotonicMs } from '#infra/kernel';
import type { MetricsSnapshot } from '#infra/telemetry';
import type { Ending } from './exit-codes.js';
import type { Load } from './load.js';
import { type FromPrimary, type FromWorker, isOurs } from './messages.js';

export type MemberState = 'booting' | 'serving' | 'draining' | 'ended';

/** Why a worker goes. `hung` and `crash` come over it; for the rest a replacement is ready before it drains. */
export type Departing = 'memory' | 'requests' | 'signal' | 'restart' | 'shutdown' | 'hung' | 'crash';

/** A worker that is still starting has this long. */
export const bootMaxMs = 120_000;
/** A worker whose event loop has not turned for this long does not serve anybody. */
export const hungAfterMs = 10_000;

interface MemberHears {
  /** It asks for the metrics of everybody. */
  gather(member: CrewMember, id: number): void;
  retire(member: CrewMember, reason: Departing): void;
}

/** One worker process, as the primary sees it. */
export class CrewMember {
  state: MemberState = 'booting';
  /** Known before the end where somebody asked for it; what is not asked for is a crash. */
  departing: Departing = 'crash';
  port = 0;
  load: Load = { delayMs: 0, serving: false };
  /** The newest metrics that it sent: they stand for it when it does not answer, and when it has ended. */
  metrics: MetricsSnapshot = [];
  readonly startedAt = monotonicMs();
  servingSince: number | undefined;
  #heardAt = this.startedAt;
  #questions = 0;
  readonly #asked = new Map<number, () => void>();
  readonly #served = Promise.withResolvers<boolean>();
  readonly #ended = Promise.withResolvers<Ending>();

  constructor(
    private readonly worker: Worker,
    private readonly hears: MemberHears,
  ) {
    worker.on('message', (message: unknown) => {
      if (isOurs(message)) this.#hear(message as FromWorker);
    });
    // What it said last may still be in the channel when its exit is known.
    const silent = new Promise<void>((resolve) => worker.once('disconnect', resolve));
    worker.once('exit', (code, signal) => {
      void silent.then(() => this.#end({ code, signal: (signal || null) as NodeJS.Signals | null }));
    });
    // A process that could not even be started has no exit.
    worker.on('error', () => {
      if (worker.process.pid === undefined) this.#end({ code: null, signal: null });
    });
  }

  /** True once it serves; false when it ended before. */
  get served(): Promise<boolean> {
    return this.#served.promise;
  }

  get ended(): Promise<Ending> {
    return this.#ended.promise;
  }

  get pid(): number | undefined {
    return this.worker.process.pid;
  }

  get id(): number {
    return this.worker.id;
  }

  get servedMs(): number | undefined {
    return this.servingSince === undefined ? undefined : monotonicMs() - this.servingSince;
  }

  /** Its readiness fails, it ends what it has begun and exits. */
  drain(departing: Departing, othersServe: boolean): void {
    if (this.state !== 'serving') return;
    this.state = 'draining';
    this.departing = departing;
    this.#tell({ praxis: 'drain', othersServe });
  }

  kill(departing = this.departing): void {
    this.departing = departing;
    this.worker.process.kill('SIGKILL');
  }

  /** Its present metrics, or the last that it sent when it does not answer in time. */
  async measure(deadlineMs: number): Promise<MetricsSnapshot> {
    if (this.state !== 'serving' && this.state !== 'draining') return this.metrics;
    this.#questions += 1;
    const id = this.#questions;
    const answered = new Promise<void>((resolve) => this.#asked.set(id, resolve));
    const timer = new AbortController();
    const late = sleep(deadlineMs, undefined, { signal: timer.signal }).catch(() => undefined);
    this.#tell({ praxis: 'take_snapshot', id });
    await Promise.race([answered, this.ended, late]);
    timer.abort();
    this.#asked.delete(id);
    return this.metrics;
  }

  giveMetrics(id: number, snapshots: readonly MetricsSnapshot[]): void {
    this.#tell({ praxis: 'gathered', id, snapshots });
  }

  /** Longer silent than a process of its state may be. */
  isOverdue(now: number): boolean {
    if (this.state === 'ended') return false;
    return this.state === 'booting' ? now - this.startedAt > bootMaxMs : now - this.#heardAt > hungAfterMs;
  }

  /** Silence up to now does not count: the primary itself was not listening. */
  forgive(now: number): void {
    this.#heardAt = now;
  }

  #hear(message: FromWorker): void {
    this.#heardAt = monotonicMs();
    switch (message.praxis) {
      case 'ready':
        if (this.state === 'booting') this.#serve(message.port);
        break;
      case 'beat':
        this.load = message.load;
        break;
      case 'retire':
        this.hears.retire(this, message.reason);
        break;
      case 'gather':
        this.hears.gather(this, message.id);
        break;
      case 'snapshot':
        this.metrics = message.snapshot;
        this.#asked.get(message.id)?.();
        break;
      case 'farewell':
        this.metrics = message.snapshot;
        break;
      default:
        message satisfies never;
    }
  }

  #serve(port: number): void {
    this.state = 'serving';
    this.servingSince = this.#heardAt;
    this.port = port;
    this.load = { delayMs: 0, serving: true };
    this.#served.resolve(true);
  }

  #end(ending: Ending): void {
    this.state = 'ended';
    this.#served.resolve(false);
    this.#ended.resolve(ending);
  }

  /** Whoever ended meanwhile does not hear it, which `exit` tells. */
  #tell(message: FromPrimary): void {
    if (this.worker.isConnected()) this.worker.send(message, () => undefined);
  }
}
