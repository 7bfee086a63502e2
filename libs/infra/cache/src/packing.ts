const json = 0x6a;
const bytes = 0x62;
const head = 1;

/**
 * A value as bytes: a letter for its kind, then its JSON text, or the bytes of a Buffer as they are. Nothing else has a
 * form here, and reading one back runs no code of its own.
 */
export function pack(value: unknown): Buffer {
  if (Buffer.isBuffer(value)) return Buffer.concat([Buffer.of(bytes), value]);
  const text: string | undefined = JSON.stringify(value);
  if (text === undefined) throw new TypeError('what is cached must have a JSON form or be a Buffer');
  return Buffer.from(`j${text}`);
}

/** Each call makes a value of its own, so that no reader can change what another one gets. */
export function unpack<T>(packed: Buffer): T {
  const content = packed.subarray(head);
  if (packed[0] === bytes) return Buffer.from(content) as T;
  if (packed[0] === json) return JSON.parse(content.toString('utf8'));
  throw new TypeError('packed bytes begin with j or b');
}

/** Whether `unpack` can read it: for bytes that came from where others may write. */
export function isPacked(candidate: Buffer): boolean {
  if (candidate[0] !== json) return candidate[0] === bytes;
  try {
    JSON.parse(candidate.toString('utf8', head));
    return true;
  } catch {
    return false;
  }
}
