import { monotonicMs } from '#infra/kernel';

/** At most four reports a second. */
export const reportEveryMs = 250;

/** Reports how far a job has come, beside its transaction. A report may be left out; none is sent after `settled`. */
export class Progress<Report> {
  #lastMs = Number.NEGATIVE_INFINITY;
  #writing: Promise<void> = Promise.resolve();
  #busy = false;
  #over = false;

  constructor(private readonly write: (report: Report) => Promise<void>) {}

  tell(report: Report): void {
    if (this.#busy || this.#over || monotonicMs() - this.#lastMs < reportEveryMs) return;
    this.#busy = true;
    this.#writing = this.#send(report);
  }

  /** The last report is written or given up. */
  async settled(): Promise<void> {
    this.#over = true;
    await this.#writing;
  }

  async #send(report: Report): Promise<void> {
    try {
      await this.write(report);
    } catch {
      // The work itself does not depend on it, and fails by itself where the database is away.
    }
    this.#lastMs = monotonicMs();
    this.#busy = false;
  }
}
