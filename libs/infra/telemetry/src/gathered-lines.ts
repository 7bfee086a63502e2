import { destination } from 'pino';

/** Lines leave together: a write for each would cost a request as much as its routing. */
const gatheredBytes = 32 * 1_024;
/** What a process that is killed can lose; one that ends or crashes loses nothing. */
const gatheredMs = 100;
/** In UTF-8 a character of a string takes at most so many bytes. */
const bytesOfChar = 3;

/**
 * Stdout, for lines that are few characters each. Each is put into bytes as it comes, while its parts are at hand: joined
 * as text, thousands of parts would have to be found again when they leave. They leave at once, as those of `process.stdout`
 * do on a pipe: what another thread still has to write when the process ends comes after what was said later, or never.
 */
export class GatheredLines {
  readonly #out = destination({ dest: 1, sync: true, minLength: gatheredBytes / 2, maxWrite: 2 * gatheredBytes });
  readonly #bytes = Buffer.allocUnsafeSlow(gatheredBytes);
  #used = 0;

  constructor() {
    setInterval(() => this.flush(), gatheredMs).unref();
    process.prependListener('exit', () => {
      this.#hand();
      this.#out.flushSync();
    });
  }

  write(line: string): void {
    if (line.length * bytesOfChar > gatheredBytes - this.#used) this.#hand();
    if (line.length * bytesOfChar > gatheredBytes) this.#out.write(line);
    else this.#used += this.#bytes.write(line, this.#used);
  }

  /** Calls back when everything written so far has left. */
  flush(done?: (error?: Error | null) => void): void {
    this.#hand();
    this.#out.flush(done);
  }

  #hand(): void {
    if (this.#used === 0) return;
    this.#out.write(this.#bytes.toString('utf8', 0, this.#used));
    this.#used = 0;
  }
}
