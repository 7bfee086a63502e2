import { isUtf8 } from 'node:buffer';

export type CsvEncoding = 'utf8' | 'cp1252';

/** What Windows-1252 has at 0x80…0x9F; the five bytes that it leaves free stay control characters (WHATWG). */
const cp1252 = '€\x81‚ƒ„…†‡ˆ‰Š‹Œ\x8dŽ\x8f\x90‘’“”•–—˜™š›œ\x9džŸ';

/** Continuation bytes that a leading byte announces; 0 for a byte that leads nothing. */
function continuationsOf(byte: number): number {
  if (byte >= 0xc2 && byte <= 0xdf) return 1;
  if (byte >= 0xe0 && byte <= 0xef) return 2;
  return byte >= 0xf0 && byte <= 0xf4 ? 3 : 0;
}

/**
 * A vote of the bytes above 0x7F: UTF-8 where more of its sequences are whole than broken. Null where there is nothing to
 * vote on, a sequence cut off by the end included.
 */
export function encodingOf(bytes: Uint8Array): CsvEncoding | null {
  let whole = 0;
  let broken = 0;
  for (let at = 0; at < bytes.length; at += 1) {
    const byte = bytes[at] ?? 0;
    if (byte < 0x80) continue;
    const length = continuationsOf(byte);
    const tail = bytes.subarray(at + 1, at + 1 + length);
    const continues = tail.every((each) => (each & 0xc0) === 0x80);
    if (length === 0 || !continues) broken += 1;
    else if (tail.length === length) whole += 1;
    if (length > 0 && continues) at += length;
  }
  if (whole + broken === 0) return null;
  return whole > broken ? 'utf8' : 'cp1252';
}

/** `faithful` is false where bytes are no UTF-8; the text has U+FFFD in their place. */
export function decoded(bytes: Buffer, encoding: CsvEncoding): { readonly text: string; readonly faithful: boolean } {
  if (encoding === 'cp1252') {
    const text = bytes.toString('latin1');
    return { text: text.replace(/[\x80-\x9f]/g, (each) => cp1252[each.charCodeAt(0) - 0x80] ?? each), faithful: true };
  }
  const text = bytes.toString('utf8');
  return { text, faithful: !text.includes('\ufffd') || isUtf8(bytes) };
}
