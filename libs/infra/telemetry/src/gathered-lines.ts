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
    process.prependListener('exit', () => this.#end());
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

  /** What the stream holds first, or it would begin a write that nobody waits for. */
  #end(): void {
    this.#out.flushSync();
    this.#hand();
    this.#out.flushSync();
  }

  #hand(): void {
    if (this.#lines === '') return;
    const lines = this.#lines;
    this.#lines = '';
    this.#out.write(lines);
  }
}
