/** RFC 9285: two bytes in three characters of the set that QR codes write at 5.5 bits each. */
const alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:';
const base = 45;

export function toBase45(bytes: Uint8Array): string {
  let text = '';
  for (let n = 0; n < bytes.length; n += 2) {
    const pair = n + 1 < bytes.length;
    let value = pair ? (bytes[n] ?? 0) * 256 + (bytes[n + 1] ?? 0) : (bytes[n] ?? 0);
    for (let place = 0; place < (pair ? 3 : 2); place += 1) {
      text += alphabet[value % base];
      value = Math.floor(value / base);
    }
  }
  return text;
}

/** Null for anything that no bytes are written as. */
export function fromBase45(text: string): Buffer | null {
  if (text.length % 3 === 1) return null;
  const bytes: number[] = [];
  for (let n = 0; n < text.length; n += 3) {
    const digits = [...text.slice(n, n + 3)].map((character) => alphabet.indexOf(character));
    if (digits.includes(-1)) return null;
    const value = digits.reduceRight((sum, digit) => sum * base + digit, 0);
    if (value > (digits.length === 3 ? 0xffff : 0xff)) return null;
    if (digits.length === 3) bytes.push(value >> 8);
    bytes.push(value & 0xff);
  }
  return Buffer.from(bytes);
}
