import { ConfigError, parseConfig } from '#infra/config';
import { chargesOf, type LimitSubject } from './charges.js';
import { type LimitClassName, limitPolicies } from './limit-classes.js';
import { throttlingConfig } from './throttling.config.js';

const parse = (environment: Record<string, string>) => parseConfig({ limits: throttlingConfig }, environment).limits;
const policies = limitPolicies(parse({}));

const shown = (classes: readonly LimitClassName[], subject: LimitSubject) =>
  chargesOf(classes, subject, policies).map((group) =>
    group.map(({ key, limit, windowMs }) => `${key} ${limit}/${windowMs / 1000}s`),
  );

const ip = '203.0.113.9';
const user = { ip, userId: 'u1', tenantId: 't1', plan: 'BASIC' } as const;

describe('what a call counts against', () => {
  it('without a login is the address alone', () => {
    expect(shown(['read'], { ip })).toEqual([
      ['limits:{ip:203.0.113.9}:general 1000/900s', 'limits:{ip:203.0.113.9}:anonymous 100/900s'],
    ]);
  });

  it('with a login is the address, the user and the tenant by its plan; what a tenant owns shares one place', () => {
    expect(shown(['read'], user)).toEqual([
      ['limits:{ip:203.0.113.9}:general 1000/900s'],
      ['limits:{t:t1}:u:u1:authenticated 1000/900s', 'limits:{t:t1}:tenant-plan 2000/900s'],
    ]);
  });

  it('grows with the plan', () => {
    const limits = (['FREE', 'BASIC', 'PROFESSIONAL', 'ENTERPRISE'] as const).map(
      (plan) => chargesOf(['read'], { ...user, plan }, policies)[1]?.[1]?.limit,
    );
    expect(limits).toEqual([500, 2_000, 5_000, 20_000]);
  });

  it('at login is ten a second from one address, on top of what a stranger may', () => {
    expect(shown(['auth'], { ip })).toEqual([
      [
        'limits:{ip:203.0.113.9}:general 1000/900s',
        'limits:{ip:203.0.113.9}:anonymous 100/900s',
        'limits:{ip:203.0.113.9}:auth 10/1s',
      ],
    ]);
  });

  it('of a policy for callers is the user, or the address of a stranger', () => {
    expect(shown(['search'], user)[1]).toContain('limits:{t:t1}:u:u1:patient-search 30/60s');
    expect(shown(['search'], { ip })[0]).toContain('limits:{ip:203.0.113.9}:patient-search 30/60s');
  });

  it('of two classes counts each policy once, and of staff without tenant no plan', () => {
    const [address = []] = chargesOf(['read', 'strict', 'search'], { ip }, policies);
    expect(address.map(({ name }) => name)).toEqual(['general', 'anonymous', 'strict', 'patient-search']);
    expect(shown(['operator'], { ip, userId: 'u1' })[1]).toEqual(['limits:{u:u1}:u:u1:authenticated 1000/900s']);
  });
});

describe('numbers of limits', () => {
  it.each([
    ['B-046', 'RATE_LIMIT_GENERAL', 'general'],
    ['B-047', 'RATE_LIMIT_MEMBER_LOOKUP', 'memberLookup'],
    ['B-048', 'RATE_LIMIT_CARD_GENERATION', 'cardGeneration'],
  ] as const)('[%s] %s is taken into the configuration, and named when it is malformed', (_, variable, name) => {
    expect(parse({ [variable]: '77' })[name]).toBe(77);
    for (const malformed of ['many', '-1', '0', '1.5']) {
      expect(() => parse({ [variable]: malformed })).toThrow(ConfigError);
      expect(() => parse({ [variable]: malformed })).toThrow(variable);
    }
  });

  it('reach the policies that they belong to', () => {
    const config = parse({
      RATE_LIMIT_GENERAL: '1',
      RATE_LIMIT_ANONYMOUS: '2',
      RATE_LIMIT_AUTHENTICATED: '3',
      RATE_LIMIT_MEMBER_LOOKUP: '4',
      RATE_LIMIT_CARD_GENERATION: '5',
      RATE_LIMIT_TIER_WINDOW: '60',
    });
    expect(limitPolicies(config)).toMatchObject({
      general: { limit: 1, windowMs: 900_000 },
      anonymous: { limit: 2, windowMs: 60_000 },
      authenticated: { limit: 3, windowMs: 60_000 },
      'member-lookup': { limit: 4, windowMs: 60_000 },
      'card-generation': { limit: 5, windowMs: 300_000 },
    });
  });
});
