import { crc32, deflateSync } from 'node:zlib';
import { encodeQR } from 'qr';

export type QrFormat = 'svg' | 'png';
export interface QrImage {
  readonly type: 'image/svg+xml' | 'image/png';
  readonly content: Buffer;
}

/** 15 % of the code may be scratched. */
const options = { ecc: 'medium', border: 4 } as const;
/** Pixels of a PNG on each side of a module: 33 modules and their border make 410 pixels. */
const moduleSizePx = 10;

export const qrImage = (text: string, format: QrFormat): QrImage =>
  format === 'svg'
    ? { type: 'image/svg+xml', content: Buffer.from(encodeQR(text, 'svg', options)) }
    : { type: 'image/png', content: pngOf(qrModules(text)) };

/** True where a module is dark, border included. */
export const qrModules = (text: string): readonly (readonly boolean[])[] => encodeQR(text, 'raw', options);

const signature = Buffer.from('89504e470d0a1a0a', 'hex');
const grey = 0;
const oneBit = 1;

/** One bit per pixel, greyscale (PNG, third edition). */
function pngOf(modules: readonly (readonly boolean[])[]): Buffer {
  const side = modules.length * moduleSizePx;
  const header = Buffer.alloc(13);
  header.writeUInt32BE(side, 0);
  header.writeUInt32BE(side, 4);
  header[8] = oneBit;
  header[9] = grey;
  const lines = modules.flatMap((row) => Array<Buffer>(moduleSizePx).fill(lineOf(row, side)));
  return Buffer.concat([
    signature,
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(Buffer.concat(lines))),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

/** The filter byte (none) and the row's bits, 1 for white. */
function lineOf(row: readonly boolean[], side: number): Buffer {
  const line = Buffer.alloc(1 + Math.ceil(side / 8));
  for (let x = 0; x < side; x += 1) {
    const isLight = row[Math.floor(x / moduleSizePx)] !== true;
    const at = 1 + (x >> 3);
    if (isLight) line[at] = (line[at] ?? 0) | (0x80 >> (x & 7));
  }
  return line;
}

function chunk(type: string, data: Buffer): Buffer {
  const content = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const framed = Buffer.alloc(content.length + 8);
  framed.writeUInt32BE(data.length, 0);
  content.copy(framed, 4);
  framed.writeUInt32BE(crc32(content), content.length + 4);
  return framed;
}
