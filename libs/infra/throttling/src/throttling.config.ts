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
  general: requests('RATE_LIMIT_GENERAL', 1_000, 'from one address in 15 minutes'),
  anonymous: requests('RATE_LIMIT_ANONYMOUS', 100, 'from one address without a login, in a tier window'),
  authenticated: requests('RATE_LIMIT_AUTHENTICATED', 1_000, 'of one user in a tier window'),
  tierWindowS: integer('RATE_LIMIT_TIER_WINDOW', {
    description: 'tier window of RATE_LIMIT_ANONYMOUS and RATE_LIMIT_AUTHENTICATED',
    min: 1,
    max: 86_400,
    unit: 'seconds',
    default: 900,
  }),
  memberLookup: requests('RATE_LIMIT_MEMBER_LOOKUP', 60, 'lookups of members from one address in a minute'),
  cardGeneration: requests('RATE_LIMIT_CARD_GENERATION', 10, 'generations of cards from one address in 5 minutes'),
});
export type ThrottlingConfig = Values<(typeof throttlingConfig)['variables']>;
