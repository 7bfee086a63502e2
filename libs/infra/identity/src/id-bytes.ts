import type { Id } from '#infra/kernel';

/** The 16 bytes of a uuid, for tokens. */
export const bytesOfId = (id: Id<string>): Buffer => Buffer.from(id.replaceAll('-', ''), 'hex');

/** The uuid that starts at `at`. */
export function idOfBytes<T extends Id<string>>(bytes: Buffer, at: number): T {
  const hex = bytes.toString('hex', at, at + 16);
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-') as T;
}
