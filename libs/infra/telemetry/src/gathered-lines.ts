import { destination } from 'pino';

/** Lines leave together: a write for each would cost a request as much as its routing. */
const gatheredChars = 32 * 1_024;
/** What a process that is killed can lose; one that ends or crashes loses nothing. */
const gatheredMs = 100;

/**
 * Stdout, for lines that are few characters each. They are joined here, because the stream below measures all that it
 * holds at each write.
 */
export class GatheredLines {
  readonly #out = destination({ dest: 1, sync: false, minLength: gatheredChars, maxWrite: 2 * gatheredChars });
  #lines = '';

  constructor() {
    setInterval(() => this.flush(), gatheredMs).unref();
    // The stream writes what it holds when the process ends; its own listener comes after this one.
    process.prependListener('exit', () => this.#hand());
  }

  write(line: string): void {
    this.#lines += line;
    if (this.#lines.length >= gatheredChars) this.#hand();
  }

  /** Calls back when everything written so far has left. */
  flush(done?: (error?: Error | null) => void): void {
    this.#hand();
    // Also where nothing was handed: a flush that met a write under way left the rest behind.
    this.#out.flush(done);
  }

  #hand(): void {
    if (this.#lines === '') return;
    const lines = this.#lines;
    this.#lines = '';
    this.#out.write(lines);
  }
}
