import type { MetricsSnapshot } from '#infra/telemetry';
import { type FromPrimary, type FromWorker, isOurs } from './messages.js';
import { fail } from './processes.errors.js';

/** The primary has answered by then: it waits 1 s for the slowest worker. */
const gatherMaxMs = 3_000;
const openQuestionsMax = 100;

/** What a worker and its primary say to each other, from the worker's side. */
export class PrimaryLink {
  #questions = 0;
  readonly #asked = new Map<number, (snapshots: readonly MetricsSnapshot[]) => void>();
  #snapshot: (() => Promise<MetricsSnapshot>) | undefined;
  #drain: ((othersServe: boolean) => void) | undefined;

  constructor() {
    process.on('message', (message: unknown) => {
      if (isOurs(message)) this.#hear(message as FromPrimary);
    });
  }

  onSnapshot(take: () => Promise<MetricsSnapshot>): void {
    this.#snapshot = take;
  }

  onDrain(drain: (othersServe: boolean) => void): void {
    this.#drain = drain;
  }

  /** A worker whose primary is gone ends by itself; nobody is left to hear it. */
  say(message: FromWorker): void {
    process.send?.(message, undefined, undefined, () => undefined);
  }

  /** Resolves when it has left this process. */
  farewell(snapshot: MetricsSnapshot): Promise<void> {
    const message: FromWorker = { praxis: 'farewell', snapshot };
    return new Promise((resolve) => {
      if (process.connected) process.send?.(message, undefined, undefined, () => resolve());
      else resolve();
    });
  }

  /** The metrics of all workers. One worker's alone would look like a fall of every counter: better none. */
  gather(): Promise<readonly MetricsSnapshot[]> {
    this.#questions += 1;
    const id = this.#questions;
    return new Promise((resolve, reject) => {
      if (this.#asked.size >= openQuestionsMax) return reject(fail('metrics.not_gathered'));
      const late = setTimeout(() => {
        this.#asked.delete(id);
        reject(fail('metrics.not_gathered'));
      }, gatherMaxMs);
      this.#asked.set(id, (snapshots) => {
        clearTimeout(late);
        this.#asked.delete(id);
        resolve(snapshots);
      });
      this.say({ praxis: 'gather', id });
    });
  }

  #hear(message: FromPrimary): void {
    switch (message.praxis) {
      case 'drain':
        this.#drain?.(message.othersServe);
        break;
      case 'take_snapshot':
        void this.#answer(message.id);
        break;
      case 'gathered':
        this.#asked.get(message.id)?.(message.snapshots);
        break;
      default:
        message satisfies never;
    }
  }

  async #answer(id: number): Promise<void> {
    const snapshot = await this.#snapshot?.();
    if (snapshot !== undefined) this.say({ praxis: 'snapshot', id, snapshot });
  }
}
