import { PatientStdout } from './patient-stdout.js';

/** Lines leave together: a write for each would cost a request as much as its routing. */
const gatheredBytes = 32 * 1_024;
/** What a process that is killed can lose; one that ends or crashes loses nothing. */
const gatheredMs = 100;
/** In UTF-8 a character of a string takes at most so many bytes. */
const bytesOfChar = 3;

/**
 * Stdout, for lines that are few characters each. Each is put into bytes as it comes, while its parts are at hand: joined
 * as text, thousands of parts would have to be found again when they leave. They leave in the thread that wrote them, so
 * that they stay in order to the very end.
 */
export class GatheredLines {
  readonly #out = new PatientStdout();
  readonly #bytes = Buffer.allocUnsafeSlow(gatheredBytes);
  #used = 0;

  constructor() {
    setInterval(() => this.flush(), gatheredMs).unref();
    process.prependListener('exit', () => {
      this.#hand();
      this.#out.end();
    });
  }

  write(line: string): void {
    if (line.length * bytesOfChar > gatheredBytes - this.#used) this.#hand();
    if (line.length * bytesOfChar > gatheredBytes) this.#out.write(Buffer.from(line));
    else this.#used += this.#bytes.write(line, this.#used);
  }

  /** Calls back when everything written so far has left. */
  flush(done?: () => void): void {
    this.#hand();
    this.#out.flush(done);
  }

  #hand(): void {
    if (this.#used === 0) return;
    this.#out.write(this.#bytes.subarray(0, this.#used));
    this.#used = 0;
  }
}
