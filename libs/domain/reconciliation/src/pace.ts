import { setImmediate as nextTurn } from 'node:timers/promises';
import { monotonicMs } from '#infra/kernel';

/** Work between two turns of the event loop, so that locks are renewed and probes answered meanwhile. */
export const turnMs = 15;

/** Lets others have a turn. */
export class Pace {
  #since = monotonicMs();

  /** True when it is somebody else's turn: then `await pace.rest()`. */
  get isDue(): boolean {
    return monotonicMs() - this.#since >= turnMs;
  }

  async rest(): Promise<void> {
    await nextTurn();
    this.#since = monotonicMs();
  }
}
