import { flag, integer, slice, type Values } from '#infra/config';

const daySeconds = 86_400;
const ttl = (env: string, usual: number, what: string) =>
  integer(env, {
    description: `how long ${what} stay in Redis`,
    min: 1,
    max: daySeconds,
    default: usual,
    unit: 'seconds',
  });

/** The most that an entry stays in a process's memory, whatever its strategy says. */
export const memoryTtlMaxS = 300;
const mib = 1_024 * 1_024;

export const cacheConfig = slice('Cache', {
  enabled: flag('ENABLE_CACHING', { description: 'false: every read goes to its source', default: true }),
  memberTtlS: ttl('CACHE_TTL_MEMBER', 3_600, 'members'),
  cardTtlS: ttl('CACHE_TTL_CARD', 1_800, 'generated cards'),
  qrTtlS: ttl('CACHE_TTL_QR', 14_400, 'QR pictures'),
  pdfTtlS: ttl('CACHE_TTL_PDF', 3_600, 'printed cards'),
  reconciliationTtlS: ttl('CACHE_TTL_RECONCILIATION', 3_600, 'results of reconciliation'),
  apiResponsesTtlS: ttl('CACHE_TTL_API_RESPONSES', 300, 'answers of the API'),
  analyticsTtlS: ttl('CACHE_TTL_ANALYTICS', 1_800, 'figures of analytics'),
  catalogueTtlS: ttl('CACHE_TTL_CATALOGUE', 300, 'services that can be booked'),
  generalTtlS: ttl('CACHE_TTL_DEFAULT', 300, 'entries of no strategy of their own'),
  memoryTtlS: integer('CACHE_MEMORY_TTL', {
    description: 'most that an entry stays in a process’s memory; sealed strategies stay 30 seconds at most',
    min: 1,
    max: memoryTtlMaxS,
    default: memoryTtlMaxS,
    unit: 'seconds',
  }),
  memoryMaxEntries: integer('CACHE_MEMORY_MAX_ENTRIES', {
    description: 'most entries in a process’s memory',
    min: 1,
    max: 1_000_000,
    default: 100_000,
  }),
  memoryMaxBytes: integer('CACHE_MEMORY_MAX_BYTES', {
    description: 'most bytes of entries in a process’s memory; the tighter of the two bounds counts',
    min: mib,
    max: 4_096 * mib,
    default: 64 * mib,
    unit: 'bytes',
  }),
});
export type CacheConfig = Values<(typeof cacheConfig)['variables']>;
