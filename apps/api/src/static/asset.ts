import { createHash } from 'node:crypto';
import { extname } from 'node:path';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';
import type { Encoding } from './encoding.js';

interface Media {
  readonly type: string;
  /** Others are packed already. */
  readonly text: boolean;
}
const text = (type: string): Media => ({ type: `${type}; charset=utf-8`, text: true });

/** What may be served at all, by extension. */
const media: Readonly<Record<string, Media>> = {
  '.css': text('text/css'),
  '.html': text('text/html'),
  '.js': text('text/javascript'),
  '.json': text('application/json'),
  '.png': { type: 'image/png', text: false },
  '.txt': text('text/plain'),
};

/** Smaller ones fit one packet anyway. */
const packedFromBytes = 1_024;
/** A process does it once, so that it may take longer than for an answer of the moment: 0.3 s for the largest file. */
const brotliQuality = 6;
const gzipLevel = 9;
const hashLength = 16;
const hashedName = /\.([0-9a-f]{16})\.[a-z0-9]+$/;

const packers = {
  br: (content: Buffer) =>
    promisify(brotliCompress)(content, {
      params: {
        [constants.BROTLI_PARAM_QUALITY]: brotliQuality,
        [constants.BROTLI_PARAM_SIZE_HINT]: content.length,
      },
    }),
  gzip: (content: Buffer) => promisify(gzip)(content, { level: gzipLevel }),
} as const;

/** A file in memory: bytes under a name that says what they are. */
export class Asset {
  readonly type: string;
  /** The same for every encoding, hence weak. */
  readonly tag: string;
  /** Whether the name changes with the content. */
  readonly isHashed: boolean;
  readonly #packs: boolean;
  readonly #packed = new Map<Encoding, Promise<Buffer>>();

  /** Throws where the name promises other content, or nobody knows what it is. */
  constructor(
    readonly name: string,
    readonly content: Buffer,
  ) {
    const known = media[extname(name)];
    if (known === undefined) throw new Error(`nobody knows the media type of ${name}`);
    const hash = hashOf(content);
    const promised = hashedName.exec(name)?.[1];
    if (promised !== undefined && promised !== hash)
      throw new Error(`${name} promises other content than it has, whose hash is ${hash}`);
    this.type = known.type;
    this.tag = `W/"${hash}"`;
    this.isHashed = promised !== undefined;
    this.#packs = known.text && content.length > packedFromBytes;
  }

  /** The same content under a name that holds its hash: `viewer.css` → `viewer.0123456789abcdef.css`. */
  static hashed(name: string, content: Buffer): Asset {
    const extension = extname(name);
    return new Asset(`${name.slice(0, -extension.length)}.${hashOf(content)}${extension}`, content);
  }

  /** What a page says of it, so that browsers refuse any other content, whoever serves it. */
  get integrity(): string {
    return `sha384-${createHash('sha384').update(this.content).digest('base64')}`;
  }

  /** Whether encodings matter at all. */
  get varies(): boolean {
    return this.#packs;
  }

  /** Packed once, when it is first asked for. */
  packed(encoding: Exclude<Encoding, 'identity'>): Promise<Buffer> {
    const known = this.#packed.get(encoding) ?? packers[encoding](this.content);
    this.#packed.set(encoding, known);
    return known;
  }
}

const hashOf = (content: Buffer): string => createHash('sha256').update(content).digest('hex').slice(0, hashLength);
