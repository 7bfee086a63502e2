import { ConfigError, effectiveConfig, parseConfig } from '#infra/config';
import { cacheConfig } from './cache.config.js';
import { jittered, sealedMemoryTtlS, strategyNames, strategyOf } from './strategies.js';

const slices = { cache: cacheConfig };
const parse = (environment: Record<string, string> = {}) => parseConfig(slices, environment).cache;
const effective = (environment: Record<string, string>) => effectiveConfig(slices, parseConfig(slices, environment));

function mistakesOf(environment: Record<string, string>): readonly string[] {
  try {
    parse(environment);
  } catch (error) {
    if (error instanceof ConfigError) return error.mistakes;
  }
  return [];
}

describe('settings of the cache', () => {
  it.each([
    ['B-044', 'CACHE_TTL_MEMBER', '3600', 'memberData'],
    ['B-045', 'CACHE_TTL_CARD', '1800', 'cardData'],
  ] as const)('[%s] %s=%s is what the app goes by and what %s lives; a malformed value is named', (...row) => {
    const [, variable, usual, strategy] = row;
    expect(effective({})).toContain(`${variable}=${usual}`);
    expect(strategyOf(strategy, parse()).ttlS).toBe(Number(usual));
    expect(effective({ [variable]: '77' })).toContain(`${variable}=77`);
    expect(strategyOf(strategy, parse({ [variable]: '77' })).ttlS).toBe(77);
    for (const wrong of ['soon', '0', '-1', '1.5', '86401'])
      expect(mistakesOf({ [variable]: wrong })).toEqual([expect.stringMatching(new RegExp(`^${variable} must be`))]);
  });

  it('let memory hold a million entries at most, for 300 seconds at most, whatever a strategy lives', () => {
    expect(parse({ CACHE_MEMORY_MAX_ENTRIES: '1000000' }).memoryMaxEntries).toBe(1_000_000);
    expect(mistakesOf({ CACHE_MEMORY_MAX_ENTRIES: '1000001' })).toHaveLength(1);
    expect(mistakesOf({ CACHE_MEMORY_TTL: '301' })).toHaveLength(1);
    const config = parse({ CACHE_TTL_DEFAULT: '86400' });
    expect(strategyOf('general', config)).toMatchObject({ ttlS: 86_400, memoryTtlS: 300 });
    expect(strategyOf('general', parse({ CACHE_MEMORY_TTL: '7' })).memoryTtlS).toBe(7);
    expect(strategyOf('general', parse({ CACHE_TTL_DEFAULT: '5' })).memoryTtlS).toBe(5);
  });

  it('keep what is sealed in memory for 30 seconds at most', () => {
    for (const name of strategyNames) {
      const { encrypted, memoryTtlS } = strategyOf(name, parse());
      if (encrypted) expect([name, memoryTtlS <= sealedMemoryTtlS]).toEqual([name, true]);
    }
  });
});

describe('the life of an entry', () => {
  it('differs by a tenth at most, so that entries made together do not end together', () => {
    expect([0, 0.5, 1].map((random) => jittered(300, random))).toEqual([270_000, 300_000, 330_000]);
  });
});
