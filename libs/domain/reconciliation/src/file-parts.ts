/** Bytes as they come, cut into parts of `size`; only the last may be shorter, and there is none of an empty file. */
export async function* filePartsOf(bytes: AsyncIterable<Buffer>, size: number): AsyncGenerator<Buffer> {
  let held: Buffer[] = [];
  let count = 0;
  for await (const chunk of bytes) {
    let from = 0;
    while (count + chunk.length - from >= size) {
      const end = from + size - count;
      yield Buffer.concat([...held, chunk.subarray(from, end)], size);
      [held, count, from] = [[], 0, end];
    }
    if (from < chunk.length) held.push(chunk.subarray(from));
    count += chunk.length - from;
  }
  if (count > 0) yield Buffer.concat(held, count);
}
