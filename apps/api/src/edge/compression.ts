import { constants } from 'node:zlib';
import type { FastifyCompressOptions } from '@fastify/compress';

/** Text gains little above these levels and costs several times the time. */
const brotliQuality = 4;
const gzipLevel = 6;
/** Smaller answers fit one packet anyway. */
const thresholdBytes = 1_024;

export const compressionOptions = {
  encodings: ['br', 'gzip', 'deflate', 'identity'],
  threshold: thresholdBytes,
  brotliOptions: { params: { [constants.BROTLI_PARAM_QUALITY]: brotliQuality } },
  zlibOptions: { level: gzipLevel },
  // Compressed bodies would let a small request grow into a large one.
  globalDecompression: false,
} satisfies FastifyCompressOptions;
