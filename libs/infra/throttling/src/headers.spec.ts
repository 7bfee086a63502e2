import fc from 'fast-check';
import { limitExceeded, rateLimitHeaders } from './headers.js';
import type { LimitResult, LimitState } from './limits.js';

interface Member {
  readonly item: string;
  readonly parameters: Readonly<Record<string, number>>;
}

/** A list of RFC 9651 whose members are strings with integer parameters; throws on anything else. */
function parseList(text: string): readonly Member[] {
  const members: Member[] = [];
  const member = /"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"((?:; *[a-z*][a-z0-9_.*-]*=-?\d{1,15})*)/y;
  for (;;) {
    const [matched, item = '', parameters = ''] = member.exec(text) ?? [];
    if (matched === undefined) throw new Error(`not a list: ${text}`);
    const pairs = parameters
      .split(';')
      .slice(1)
      .map((pair) => pair.trim().split('='));
    members.push({ item, parameters: Object.fromEntries(pairs.map(([key, value]) => [key, Number(value)])) });
    if (member.lastIndex === text.length) return members;
    const separator = /[ \t]*,[ \t]*(?=")/y;
    separator.lastIndex = member.lastIndex;
    if (!separator.test(text)) throw new Error(`not a list: ${text}`);
    member.lastIndex = separator.lastIndex;
  }
}

const state = (changes: Partial<LimitState>): LimitState => ({
  name: 'general',
  limit: 1_000,
  windowMs: 900_000,
  remaining: 999,
  resetMs: 945_000,
  exceeded: false,
  ...changes,
});

describe('headers of rate limits', () => {
  it('name every policy and what is left of each', () => {
    const policies = [state({}), state({ name: 'auth', limit: 10, windowMs: 1_000, remaining: 3, resetMs: 401 })];
    expect(rateLimitHeaders({ allowed: true, retryAfterMs: 0, policies })).toEqual({
      'ratelimit-policy': '"general";q=1000;w=900, "auth";q=10;w=1',
      ratelimit: '"general";r=999;t=945, "auth";r=3;t=1',
    });
  });

  it('are absent where nothing is limited', () => {
    expect(rateLimitHeaders({ allowed: true, retryAfterMs: 0, policies: [] })).toEqual({});
  });

  it('[E-027] parse as lists of RFC 9651, and Retry-After is never less than the t of what refused', () => {
    const wait = fc.integer({ min: 1, max: 100_000_000 });
    const anyState = fc.record({
      name: fc.constantFrom('general', 'tenant-plan', 'auth', 'patient-search'),
      limit: fc.integer({ min: 1, max: 10_000_000 }),
      windowMs: fc.integer({ min: 1_000, max: 86_400_000 }),
      remaining: fc.nat(10_000_000),
      resetMs: wait,
      exceeded: fc.boolean(),
      moreMs: fc.nat(100_000),
    });
    fc.assert(
      fc.property(fc.array(anyState, { minLength: 1, maxLength: 6 }), (states) => {
        const refusing = states.filter(({ exceeded }) => exceeded);
        const retryAfterMs = Math.max(0, ...refusing.map(({ resetMs, moreMs }) => resetMs + moreMs));
        const headers = rateLimitHeaders({ allowed: refusing.length === 0, retryAfterMs, policies: states });
        expect(parseList(headers['ratelimit-policy'] ?? '').map(({ item }) => item)).toEqual(
          states.map(({ name }) => name),
        );
        const told = parseList(headers.ratelimit ?? '');
        expect(told).toHaveLength(refusing.length === 0 ? states.length : refusing.length);
        for (const { parameters } of refusing.length === 0 ? [] : told)
          expect(Number(headers['retry-after'])).toBeGreaterThanOrEqual(parameters.t!);
        expect(headers['retry-after'] === undefined).toBe(refusing.length === 0);
      }),
    );
  });

  it('ask for at least one whole second', () => {
    const refused: LimitResult = { allowed: false, retryAfterMs: 3, policies: [state({ exceeded: true, resetMs: 3 })] };
    expect(rateLimitHeaders(refused)['retry-after']).toBe('1');
  });

  it('come with an error that names the policies that refused', () => {
    const policies = [state({}), state({ name: 'auth', exceeded: true })];
    expect(limitExceeded({ allowed: false, retryAfterMs: 900, policies })).toMatchObject({
      kind: 'limited',
      code: 'limit.exceeded',
      options: { retryAfterMs: 900, extra: { 'violated-policies': ['auth'] } },
    });
  });

  it('say X-RateLimit-* of the tightest policy too where that is wanted', () => {
    const policies = [state({}), state({ name: 'auth', limit: 10, windowMs: 1_000, remaining: 3, resetMs: 401 })];
    const result = { allowed: true, retryAfterMs: 0, policies };
    expect(rateLimitHeaders({ ...result, older: true })).toMatchObject({
      'x-ratelimit-limit': '10',
      'x-ratelimit-remaining': '3',
      'x-ratelimit-reset': '1',
    });
    expect(Object.keys(rateLimitHeaders(result))).toEqual(['ratelimit-policy', 'ratelimit']);
  });

  it('come with another error where this process counts alone, and where the subject is blocked', () => {
    const policies = [state({ exceeded: true })];
    const refused = { allowed: false, retryAfterMs: 900, policies } as const;
    expect(limitExceeded({ ...refused, reason: 'reduced' }).code).toBe('limit.reduced');
    expect(limitExceeded({ ...refused, reason: 'blocked' }).code).toBe('limit.blocked');
  });
});
