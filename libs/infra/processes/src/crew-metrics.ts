import {
  type Counter,
  type Log,
  lastingOf,
  Metrics,
  type MetricsSnapshot,
  mergeSnapshots,
  type ProcessIdentity,
  type TelemetryConfig,
} from '#infra/telemetry';
import type { CrewMember, MemberState } from './crew-member.js';

/** A worker that does not answer within this time is shown by its last numbers. */
export const snapshotMaxMs = 1_000;
const ownPrefix = 'cluster_';

interface Setup {
  readonly config: TelemetryConfig;
  readonly identity: ProcessIdentity;
  readonly log: Log;
  readonly members: () => Iterable<CrewMember>;
}

/** The numbers of all workers, of those that have gone, and of the crew itself, as one. */
export class CrewMetrics {
  readonly #own: Metrics;
  readonly #ends: Counter<'reason'>;
  #gone: Promise<MetricsSnapshot> = Promise.resolve([]);

  constructor(private readonly setup: Setup) {
    this.#own = new Metrics(setup);
    this.#ends = this.#own.counter('cluster_worker_ends_total', 'Workers that have ended, and why.', ['reason']);
    const shown: readonly MemberState[] = ['booting', 'serving', 'draining'];
    this.#own.observedGauge('cluster_workers', 'Worker processes.', ['state'], () => {
      const states = [...setup.members()].map(({ state }) => state);
      return shown.map((state) => ({ labels: { state }, value: states.filter((each) => each === state).length }));
    });
  }

  /** Everything that counts at this moment; its sum never falls while the primary lives. */
  async gather(): Promise<readonly MetricsSnapshot[]> {
    const [gone, own, ...present] = await Promise.all([
      this.#gone,
      this.#own.snapshot(),
      ...[...this.setup.members()].map((member) => member.measure(snapshotMaxMs)),
    ]);
    return [...present, gone, own.filter(({ name }) => name.startsWith(ownPrefix))];
  }

  ended({ metrics, departing }: CrewMember): void {
    this.#ends.inc({ reason: departing });
    this.#gone = this.#gone.then((gone) => mergeSnapshots([gone, lastingOf(metrics)]));
  }
}
