import { flag, integer, slice, type Values } from '#infra/config';

const requests = (env: string, usual: number, description: string) =>
  integer(env, { description, min: 1, max: 10_000_000, default: usual, unit: 'requests' });

export const throttlingConfig = slice('Rate limits', {
  enabled: flag('ENABLE_RATE_LIMITING', { description: 'false lets every request through', default: true }),
  expectedNodes: integer('EXPECTED_NODES', {
    description: 'api processes that share the limits; without Redis each grants its share',
    min: 1,
    max: 1_000,
    default: 1,
  }),
  edge: requests('RATE_LIMIT_EDGE', 1_000, 'from one address in a second; twice as many at once'),
  general: requests('RATE_LIMIT_GENERAL', 1_000, 'from one address in 15 minutes'),
  anonymous: requests('RATE_LIMIT_ANONYMOUS', 100, 'from one address without a login, in a tier window'),
  authenticated: requests('RATE_LIMIT_AUTHENTICATED', 1_000, 'of one user in a tier window'),
  premium: requests('RATE_LIMIT_PREMIUM', 5_000, 'of one user of a PROFESSIONAL or ENTERPRISE tenant in a tier window'),
  tierWindowS: integer('RATE_LIMIT_TIER_WINDOW', {
    description: 'tier window of RATE_LIMIT_ANONYMOUS, RATE_LIMIT_AUTHENTICATED and RATE_LIMIT_PREMIUM',
    min: 1,
    max: 86_400,
    unit: 'seconds',
    default: 900,
  }),
  free: requests('RATE_LIMIT_FREE', 500, 'of a FREE tenant in 15 minutes'),
  basic: requests('RATE_LIMIT_BASIC', 2_000, 'of a BASIC tenant in 15 minutes'),
  professional: requests('RATE_LIMIT_PROFESSIONAL', 5_000, 'of a PROFESSIONAL tenant in 15 minutes'),
  enterprise: requests('RATE_LIMIT_ENTERPRISE', 20_000, 'of an ENTERPRISE tenant in 15 minutes'),
  leases: flag('RATE_LIMIT_LEASES', {
    description:
      'a process lets a hundredth of a limit (at most 10) pass before it tells Redis; false counts every call exactly',
    default: true,
  }),
  deadlineMs: integer('RATE_LIMIT_DEADLINE', {
    description: 'longest wait for Redis at a request; then this process counts by itself',
    min: 1,
    max: 250,
    unit: 'ms',
    default: 25,
  }),
  olderHeaders: flag('RATE_LIMIT_LEGACY_HEADERS', {
    description: 'X-RateLimit-Limit, -Remaining and -Reset too, for clients that know no RateLimit',
    default: false,
  }),
  memberLookup: requests('RATE_LIMIT_MEMBER_LOOKUP', 60, 'lookups of members from one address in a minute'),
  cardGeneration: requests('RATE_LIMIT_CARD_GENERATION', 10, 'generations of cards from one address in 5 minutes'),
});
export type ThrottlingConfig = Values<(typeof throttlingConfig)['variables']>;
