import { ConfigError, parseConfig } from '#infra/config';
import { type ChargeGroup, Charges, type LimitSubject } from './charges.js';
import { type LimitClassName, limitClasses, limitPolicies } from './limit-classes.js';
import { throttlingConfig } from './throttling.config.js';

const parse = (environment: Record<string, string>) => parseConfig({ limits: throttlingConfig }, environment).limits;
const charges = new Charges(limitPolicies(parse({})));

const shown = (classes: readonly LimitClassName[], subject: LimitSubject) =>
  charges.of(classes, subject).map((group) => group.charges.map(shownCharge));
const shownCharge = ({ key, rule }: ChargeGroup['charges'][number]): string =>
  `${key} ${rule.limit}/${rule.windowMs / 1000}s${rule.algorithm === 'sliding' ? '' : ` ${rule.algorithm}`}`;

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
      (plan) => charges.of(['read'], { ...user, plan })[1]?.charges[1]?.rule.limit,
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
    const [address] = charges.of(['read', 'strict', 'search'], { ip });
    expect(address?.charges.map(({ name }) => name)).toEqual(['general', 'anonymous', 'strict', 'patient-search']);
    expect(shown(['operator'], { ip, userId: 'u1' })[1]).toEqual(['limits:{u:u1}:u:u1:authenticated 1000/900s']);
  });
});

describe('policies of special routes', () => {
  const ofUser = (name: LimitClassName) => shown([name], user).flat();

  it('count what they say', () => {
    expect(ofUser('ai')).toEqual(
      expect.arrayContaining(['limits:{t:t1}:u:u1:ai 10/60s bucket', 'limits:{t:t1}:ai-tenant 100/3600s']),
    );
    expect(ofUser('uploads')).toEqual(
      expect.arrayContaining(['limits:{t:t1}:u:u1:uploads 30/900s', 'limits:{t:t1}:upload-bytes 5000000000/86400s']),
    );
    expect(ofUser('strict')).toContain('limits:{t:t1}:u:u1:strict 5/900s');
    expect(ofUser('batch')).toContain('limits:{t:t1}:u:u1:batch 5/3600s fixed');
    expect(ofUser('search')).toContain('limits:{t:t1}:u:u1:patient-search 30/60s');
    expect(ofUser('record-export')).toContain('limits:{t:t1}:u:u1:record-export 5/3600s');
    expect(ofUser('audit-export')).toContain('limits:{t:t1}:u:u1:audit-export 2/3600s');
    expect(ofUser('member-lookup')).toContain('limits:{ip:203.0.113.9}:member-lookup 60/60s');
  });

  it('cost one request each, except the bytes of an upload', () => {
    const group = charges.of(['uploads'], user, { bytes: 1_234 })[1]!;
    expect(group.charges.map(({ name, cost }) => [name, cost])).toEqual([
      ['authenticated', 1],
      ['tenant-plan', 1],
      ['uploads', 1],
      ['upload-bytes', 1_234],
    ]);
  });

  it('count premium users by their own tier', () => {
    expect(shown(['read'], { ...user, plan: 'PROFESSIONAL' })[1]).toEqual([
      'limits:{t:t1}:u:u1:premium 5000/900s',
      'limits:{t:t1}:tenant-plan 5000/900s',
    ]);
  });

  it('leave the shared address out of it where a user is in the tenant’s own network, but for the edge and logins', () => {
    const atHome = { ...user, atHome: true };
    expect(shown(['read'], atHome)[0]).toEqual(['limits:{ip:203.0.113.9}:edge 2000/2s bucket']);
    expect(shown(['member-lookup'], atHome)[1]).toContain('limits:{t:t1}:u:u1:member-lookup 60/60s');
    expect(shown(['session'], atHome)).toEqual([
      ['limits:{ip:203.0.113.9}:edge 2000/2s bucket', 'limits:{ip:203.0.113.9}:auth 10/1s'],
    ]);
  });

  it('are leased only from 500 on, and never where they are strict', () => {
    const leased = Object.keys(limitClasses).flatMap((name) =>
      charges
        .of([name as LimitClassName], user)
        .flatMap((group) => group.charges.filter(({ leasable }) => leasable).map(({ name: policy }) => policy)),
    );
    expect([...new Set(leased)].sort()).toEqual(['authenticated', 'general', 'tenant-plan']);
  });

  it('hold violations against the address or the user, never against the whole tenant', () => {
    const [ofAddress, ofTenant] = charges.of(['search'], user);
    expect([ofAddress?.abuse, ofTenant?.abuse]).toEqual(['limits:{ip:203.0.113.9}:abuse', 'limits:{t:t1}:u:u1:abuse']);
    expect(ofTenant?.charges.map(({ name, blamed }) => [name, blamed])).toEqual([
      ['authenticated', true],
      ['tenant-plan', false],
      ['patient-search', true],
    ]);
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
      RATE_LIMIT_PREMIUM: '6',
      RATE_LIMIT_MEMBER_LOOKUP: '4',
      RATE_LIMIT_CARD_GENERATION: '5',
      RATE_LIMIT_TIER_WINDOW: '60',
    });
    expect(limitPolicies(config)).toMatchObject({
      general: { limit: 1, windowMs: 900_000 },
      anonymous: { limit: 2, windowMs: 60_000 },
      authenticated: { limit: 3, windowMs: 60_000 },
      premium: { limit: 6, windowMs: 60_000 },
      'member-lookup': { limit: 4, windowMs: 60_000 },
      'card-generation': { limit: 5, windowMs: 300_000 },
    });
  });
});
