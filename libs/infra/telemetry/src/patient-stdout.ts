import { writeSync } from 'node:fs';
import { monotonicMs } from '#infra/kernel';

/** While nobody reads them, so much is kept; what comes then is dropped, and its bytes are counted. */
const waitingMaxBytes = 64 * 1_024 * 1_024;
/** A process that ends waits so long for whoever reads its lines. */
const endMaxMs = 5_000;
/** So long a reader has to make room before it is offered more: a pipe of 64 KB then carries 30 MB a second. */
const pauseMs = 2;
const stdout = 1;

/** Stdout that holds nobody up: what has no room in it waits here, in order, while somebody may read it. */
export class PatientStdout {
  /** Oldest first. */
  readonly #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #droppedBytes = 0;
  #next: NodeJS.Timeout | undefined;
  /** Whoever asks again and again with the same function is told once. */
  readonly #told = new Set<() => void>();

  constructor() {
    // Once Node has opened it, a pipe without room says so at once instead of holding the process up.
    void process.stdout;
  }

  /** Whole lines; they are copied where they have to wait. */
  write(bytes: Buffer): void {
    if (this.#waiting.length > 0) this.#offer();
    const taken = this.#waiting.length === 0 ? take(bytes) : 0;
    if (taken === bytes.length) return;
    if (taken === 0 && this.#waitingBytes + bytes.length > waitingMaxBytes) {
      this.#droppedBytes += bytes.length;
      return;
    }
    this.#sayDropped();
    this.#keep(Buffer.from(bytes.subarray(taken)));
    this.#offerSoon();
  }

  /** Calls back when everything written so far has left. */
  flush(done?: () => void): void {
    if (done) this.#told.add(done);
    this.#offer();
  }

  /** For a process that ends: waits for whoever reads. */
  end(): void {
    const startedAt = monotonicMs();
    this.#offer();
    while (this.#waiting.length > 0 && monotonicMs() - startedAt < endMaxMs) {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, pauseMs);
      this.#offer();
    }
  }

  #keep(bytes: Buffer): void {
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
  }

  #offer(): void {
    for (let [oldest] = this.#waiting; oldest !== undefined; [oldest] = this.#waiting) {
      const taken = take(oldest);
      this.#waitingBytes -= taken;
      if (taken < oldest.length) {
        this.#waiting[0] = oldest.subarray(taken);
        this.#offerSoon();
        return;
      }
      this.#waiting.shift();
    }
    if (this.#sayDropped()) this.#offer();
    else this.#tell();
  }

  #tell(): void {
    const told = [...this.#told];
    this.#told.clear();
    for (const done of told) done();
  }

  #offerSoon(): void {
    this.#next ??= setTimeout(() => {
      this.#next = undefined;
      this.#offer();
    }, pauseMs).unref();
  }

  /** In the place of what is missing. */
  #sayDropped(): boolean {
    if (this.#droppedBytes === 0) return false;
    this.#keep(Buffer.from(`{"log.level":"warn","message":"log.dropped","praxis.bytes":${this.#droppedBytes}}\n`));
    this.#droppedBytes = 0;
    return true;
  }
}

/** How many of the bytes stdout has taken; all where nobody will ever read them. */
function take(bytes: Buffer): number {
  try {
    return writeSync(stdout, bytes);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EAGAIN' ? 0 : bytes.length;
  }
}
