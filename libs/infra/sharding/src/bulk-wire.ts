import type pg from 'pg';
import { type CopyStreamQuery, from as copyFrom } from 'pg-copy-streams';
import { type CopyRow, type CopyType, copyChunks } from './copy-rows.js';

/** A connection that is asked one thing at a time. */
export class BulkWire {
  #last: Promise<unknown> = Promise.resolve();

  constructor(private readonly client: pg.PoolClient) {}

  put(query: string | pg.QueryConfig): Promise<pg.QueryResult> {
    return this.#inTurn(() => this.client.query(query));
  }

  copyIn(sql: string, types: readonly CopyType[], rows: AsyncIterable<CopyRow> | Iterable<CopyRow>): Promise<number> {
    return this.#inTurn(() => new Copy(this.client.query(copyFrom(sql))).take(copyChunks(types, rows)));
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work, work);
    this.#last = done.catch(() => undefined);
    return done;
  }
}

/** One COPY under way. Whatever ends it, the connection is ready for the next statement afterwards. */
class Copy {
  readonly #ended: Promise<void>;
  #failed = false;

  constructor(private readonly stream: CopyStreamQuery) {
    this.#ended = new Promise((resolve, reject) => {
      stream.once('finish', resolve);
      stream.on('error', (error) => {
        this.#failed = true;
        reject(error);
      });
    });
    this.#ended.catch(() => undefined);
  }

  async take(chunks: AsyncIterable<Buffer>): Promise<number> {
    try {
      for await (const chunk of chunks) {
        if (this.#failed) break;
        if (!this.stream.write(chunk)) await Promise.race([this.#drained(), this.#ended]);
      }
    } catch (cause) {
      await this.#fail();
      throw cause;
    }
    if (!this.#failed) this.stream.end();
    await this.#ended;
    return this.stream.rowCount;
  }

  /** Resolves when the server has taken what was written. */
  #drained(): Promise<void> {
    return new Promise((resolve) => this.stream.once('drain', resolve));
  }

  /** The rows could not be made: the server is told, and answers with the failure of the COPY. */
  async #fail(): Promise<void> {
    if (!this.#failed) this.stream.destroy(new Error('the rows ended early'));
    await this.#ended.catch(() => undefined);
  }
}
