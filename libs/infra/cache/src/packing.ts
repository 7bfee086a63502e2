const json = 0x6a;
const bytes = 0x62;
const nothing = 0x75;
const head = 1;
/** Larger values are not held twice, as bytes and as what they mean. */
export const sharedMaxBytes = 16 * 1_024;

/**
 * A value as bytes: a letter for its kind, then its JSON text, or the bytes of a Buffer as they are; a letter alone for
 * `undefined`, which is that there is none. Nothing else has a form here, and reading one back runs no code of its own.
 */
export function pack(value: unknown): Buffer {
  if (value === undefined) return Buffer.of(nothing);
  if (Buffer.isBuffer(value)) return Buffer.concat([Buffer.of(bytes), value]);
  const text: string | undefined = JSON.stringify(value);
  if (text === undefined) throw new TypeError('what is cached must have a JSON form or be a Buffer');
  return Buffer.from(`j${text}`);
}

/** A Buffer of the caller's own; whatever has a JSON form is frozen, because several callers may share it. */
export function unpack<T>(packed: Buffer): T {
  if (isNothing(packed)) return undefined as T;
  if (packed[0] === bytes) return Buffer.from(packed.subarray(head)) as T;
  if (packed[0] === json) return frozen(JSON.parse(packed.toString('utf8', head))) as T;
  throw new TypeError('packed bytes begin with j, b or u');
}

/** Whether the value that `unpack` makes may be shared. */
export const isSharable = (packed: Buffer): boolean => packed[0] === json && packed.length <= sharedMaxBytes;

function frozen(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  for (const part of Object.values(value)) frozen(part);
  return Object.freeze(value);
}

/** Whether it says that there is none. */
export const isNothing = (packed: Buffer): boolean => packed[0] === nothing && packed.length === head;

/** Whether `unpack` can read it: for bytes that came from where others may write. */
export function isPacked(candidate: Buffer): boolean {
  if (candidate[0] !== json) return candidate[0] === bytes || isNothing(candidate);
  try {
    JSON.parse(candidate.toString('utf8', head));
    return true;
  } catch {
    return false;
  }
}
