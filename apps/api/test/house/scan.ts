import { inflateSync } from 'node:zlib';
import decodeQR from 'qr/decode.js';
import type { Api } from './world.js';

/** The text of a card's QR code, read from the picture that the API draws, as a scanner would. */
export async function scanOf(api: Api, token: string, cardId: string): Promise<string> {
  const url = `/api/v1/cards/${cardId}/qr.png`;
  const answer = await api.app.inject({ method: 'GET', url, headers: { authorization: `Bearer ${token}` } });
  if (answer.statusCode !== 200) throw new Error(`${url}: ${answer.statusCode} ${answer.body}`);
  return decodeQR(pixelsOf(answer.rawPayload));
}

/** A PNG of one greyscale bit per pixel without filters, which is all that the API draws, as RGBA. */
function pixelsOf(png: Buffer) {
  const width = png.readUInt32BE(16);
  const height = png.readUInt32BE(20);
  const bits = inflateSync(idatOf(png));
  const stride = 1 + Math.ceil(width / 8);
  const data = new Uint8Array(width * height * 4).fill(255);
  for (let y = 0; y < height; y += 1)
    for (let x = 0; x < width; x += 1) {
      const isLight = ((bits[y * stride + 1 + (x >> 3)] ?? 0) & (0x80 >> (x & 7))) !== 0;
      data.fill(isLight ? 255 : 0, (y * width + x) * 4, (y * width + x) * 4 + 3);
    }
  return { width, height, data };
}

function idatOf(png: Buffer): Buffer {
  const parts: Buffer[] = [];
  for (let at = 8; at < png.length; at += 12 + png.readUInt32BE(at))
    if (png.toString('latin1', at + 4, at + 8) === 'IDAT')
      parts.push(png.subarray(at + 8, at + 8 + png.readUInt32BE(at)));
  return Buffer.concat(parts);
}
