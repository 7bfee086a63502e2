import { writeSync } from 'node:fs';
import { monotonicMs } from '#infra/kernel';

/** Lines leave together: a write for each would cost a request as much as its routing. */
const gatheredBytes = 32 * 1_024;
/** What a process that is killed can lose; one that ends or crashes loses nothing. */
const gatheredMs = 100;
/** In UTF-8 a character of a string takes at most so many bytes. */
const bytesOfChar = 3;
/** While nobody reads them, so much is kept; what comes then is dropped, and its bytes are counted. */
const waitingMaxBytes = 64 * 1_024 * 1_024;
/** A process that ends waits so long for whoever reads its lines. */
const endMaxMs = 5_000;
/** So long a reader has to make room before it is offered more: a pipe of 64 KB then carries 30 MB a second. */
const pauseMs = 2;
const stdout = 1;

/**
 * Stdout, for lines that are few characters each. Each is put into bytes as it comes, while its parts are at hand: joined
 * as text, thousands of parts would have to be found again when they leave. They leave in the thread that wrote them, so
 * that they stay in order to the very end; where nobody reads, they wait in memory and hold nobody up.
 */
export class GatheredLines {
  readonly #bytes = Buffer.allocUnsafeSlow(gatheredBytes);
  #used = 0;
  /** What stdout had no room for, oldest first. */
  readonly #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #droppedBytes = 0;
  #next: NodeJS.Timeout | undefined;
  readonly #told: (() => void)[] = [];

  constructor() {
    // Once Node has opened it, a pipe without room says so at once instead of holding the process up.
    void process.stdout;
    setInterval(() => this.flush(), gatheredMs).unref();
    process.prependListener('exit', () => this.#end());
  }

  write(line: string): void {
    if (line.length * bytesOfChar > gatheredBytes - this.#used) this.#hand();
    if (line.length * bytesOfChar > gatheredBytes) this.#put(Buffer.from(line));
    else this.#used += this.#bytes.write(line, this.#used);
  }

  /** Calls back when everything written so far has left. */
  flush(done?: () => void): void {
    if (done) this.#told.push(done);
    this.#hand();
    this.#offer();
  }

  #hand(): void {
    if (this.#used === 0) return;
    this.#put(this.#bytes.subarray(0, this.#used));
    this.#used = 0;
  }

  #put(bytes: Buffer): void {
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
    for (const done of this.#told.splice(0)) done();
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

  #end(): void {
    const startedAt = monotonicMs();
    this.flush();
    while (this.#waiting.length > 0 && monotonicMs() - startedAt < endMaxMs) {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, pauseMs);
      this.flush();
    }
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
