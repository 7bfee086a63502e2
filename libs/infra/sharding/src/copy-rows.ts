/** Column types that a bulk load can carry, by PostgreSQL's names. */
export type CopyType = 'uuid' | 'bigint' | 'int' | 'smallint' | 'text' | 'bytea' | 'date' | 'timestamptz';
/** bigint, int and smallint: a safe integer or a bigint; date: `YYYY-MM-DD`; timestamptz: milliseconds since 1970. */
export type CopyValue = string | number | bigint | Buffer | null;
export type CopyRow = readonly CopyValue[];

const signature = Buffer.from('PGCOPY\n\xff\r\n\0', 'latin1');
const headerBytes = signature.length + 8;
const endOfRows = -1;
const isNull = -1;
const chunkBytes = 64 * 1024;
const dayMs = 86_400_000;
/** PostgreSQL counts days and microseconds from 2000-01-01. */
const epochDay = 10_957;
const microsPerMs = 1_000n;

/** Rows in PostgreSQL's binary COPY format, in chunks of about 64 KiB. */
export async function* copyChunks(
  types: readonly CopyType[],
  rows: AsyncIterable<CopyRow> | Iterable<CopyRow>,
): AsyncGenerator<Buffer> {
  const writer = new ChunkWriter();
  writer.header();
  for await (const row of rows) {
    if (row.length !== types.length) throw new RangeError(`a row of ${row.length} values for ${types.length} columns`);
    writer.row(types, row);
    if (writer.bytes >= chunkBytes) yield writer.take();
  }
  writer.end();
  yield writer.take();
}

/** Each type's value, behind its length in bytes. */
const writeValue: Readonly<Record<CopyType, (to: ChunkWriter, value: CopyValue) => void>> = {
  smallint: (to, value) => to.int32(2).int16(Number(value)),
  int: (to, value) => to.int32(4).int32(Number(value)),
  bigint: (to, value) => to.int32(8).int64(integer(value)),
  timestamptz: (to, value) => to.int32(8).int64((integer(value) - BigInt(epochDay * dayMs)) * microsPerMs),
  date: (to, value) => to.int32(4).int32(Date.parse(`${value}T00:00:00Z`) / dayMs - epochDay),
  uuid: (to, value) => to.content(Buffer.from(String(value).replaceAll('-', ''), 'hex')),
  text: (to, value) => to.content(Buffer.from(String(value))),
  bytea: (to, value) => to.content(value as Buffer),
};

class ChunkWriter {
  bytes = 0;
  #buffer = Buffer.allocUnsafe(2 * chunkBytes);

  header(): void {
    signature.copy(this.#buffer, 0);
    this.#buffer.fill(0, signature.length, headerBytes);
    this.bytes = headerBytes;
  }

  row(types: readonly CopyType[], row: CopyRow): void {
    this.int16(row.length);
    for (const [n, value] of row.entries())
      if (value === null) this.int32(isNull);
      else writeValue[types[n] as CopyType](this, value);
  }

  end(): void {
    this.int16(endOfRows);
  }

  /** The chunk so far; the next one begins. */
  take(): Buffer {
    const chunk = this.#buffer.subarray(0, this.bytes);
    this.#buffer = Buffer.allocUnsafe(2 * chunkBytes);
    this.bytes = 0;
    return chunk;
  }

  content(bytes: Buffer): void {
    this.int32(bytes.length);
    this.#reserve(bytes.length);
    bytes.copy(this.#buffer, this.bytes);
    this.bytes += bytes.length;
  }

  int16(value: number): this {
    this.#reserve(2);
    this.bytes = this.#buffer.writeInt16BE(value, this.bytes);
    return this;
  }

  int32(value: number): this {
    this.#reserve(4);
    this.bytes = this.#buffer.writeInt32BE(value, this.bytes);
    return this;
  }

  int64(value: bigint): this {
    this.#reserve(8);
    this.bytes = this.#buffer.writeBigInt64BE(value, this.bytes);
    return this;
  }

  #reserve(more: number): void {
    if (this.bytes + more <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(2 * this.#buffer.length, this.bytes + more));
    this.#buffer.copy(larger, 0, 0, this.bytes);
    this.#buffer = larger;
  }
}

/** Throws for a fraction and for what is beyond the safe integers. */
function integer(value: CopyValue): bigint {
  if (typeof value === 'number' && !Number.isSafeInteger(value)) throw new RangeError('not a safe integer');
  return BigInt(value as number | bigint);
}
