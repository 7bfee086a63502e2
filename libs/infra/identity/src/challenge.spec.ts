import { ConfigError, effectiveConfig, parseConfig, Secret } from '#infra/config';
import { createLog, Metrics } from '#infra/telemetry';
import { FakeSiteverify } from '../test/fake-siteverify.js';
import { challengeConfig, challengeProvider } from './challenge.config.js';
import { type ChallengeProvider, NoChallenge, TestChallenge } from './challenge.js';
import { SiteverifyChallenge, siteverifyUrls } from './siteverify.js';

const lines: string[] = [];
const log = createLog(
  { level: 'info', service: 'test' },
  { app: 'api', version: '0', to: { write: (line) => void lines.push(line) } },
);
const secret = 'quiet-otter-9';
const siteKey = '10000000-ffff-ffff-ffff-000000000001';
let fake: FakeSiteverify;
beforeEach(async () => {
  lines.length = 0;
  fake = await FakeSiteverify.start(secret);
});
afterEach(() => fake.stop());

const turnstile = (own: { readonly secret?: string } = {}) =>
  new SiteverifyChallenge({
    provider: 'turnstile',
    siteKey,
    secret: new Secret(own.secret ?? secret),
    url: fake.url,
    log,
    metrics: new Metrics(),
  });

describe.each<[string, () => { readonly provider: ChallengeProvider; readonly solve: () => string }]>([
  ['siteverify', () => ({ provider: turnstile(), solve: () => fake.solve() })],
  ['test', () => ({ provider: new TestChallenge(siteKey, new Secret(secret)), solve: () => secret })],
])('a provider of challenges: %s', (_, make) => {
  it('tells clients what to show, takes what was solved, and refuses what was made up', async () => {
    const { provider, solve } = make();
    expect(provider.challenge?.siteKey).toBe(siteKey);
    expect(await provider.judge(solve())).toBe('passed');
    expect(await provider.judge('made up')).toBe('refused');
    expect(await provider.judge(`${solve()}x`)).toBe('refused');
  });
});

describe('a provider that speaks siteverify', () => {
  it('is sent a form with the secret and the token, of nobody’s address, and takes a token once', async () => {
    const provider = turnstile();
    const token = fake.solve();
    expect([await provider.judge(token), await provider.judge(token)]).toEqual(['passed', 'refused']);
    expect([...(fake.asked[0] ?? [])]).toEqual([
      ['secret', secret],
      ['response', token],
    ]);
  });

  it.each(['status 500', 'no json', 'too long'] as const)('is away where it answers with %s', async (trouble) => {
    fake.trouble = trouble;
    expect(await turnstile().judge(fake.solve())).toBe('away');
  });

  it('is away where it does not know our secret: that is no fault of who logs in', async () => {
    expect(await turnstile({ secret: 'other' }).judge(fake.solve())).toBe('away');
  });

  it('is away when it says nothing for 3 s', async () => {
    fake.trouble = 'silence';
    expect(await turnstile().judge(fake.solve())).toBe('away');
  }, 15_000);

  it('is left alone after ten failures in a row, and asked nothing meanwhile', async () => {
    const provider = turnstile();
    fake.trouble = 'status 500';
    for (let n = 0; n < 12; n += 1) expect(await provider.judge('x')).toBe('away');
    expect(fake.asked).toHaveLength(10);
    fake.trouble = undefined;
    expect(await provider.judge(fake.solve())).toBe('away');
    expect(fake.asked).toHaveLength(10);
    expect(lines.filter((line) => line.includes('provider.breaker_opened'))).toHaveLength(1);
    expect(lines.join()).not.toContain(secret);
  });
});

describe('the provider of challenges', () => {
  const parse = (env: Readonly<Record<string, string>>) => parseConfig({ challenge: challengeConfig }, env).challenge;
  const mistakes = (env: Readonly<Record<string, string>>) => {
    try {
      parse(env);
    } catch (error) {
      if (error instanceof ConfigError) return error.mistakes;
    }
    return [];
  };
  const keys = { CHALLENGE_SITE_KEY: siteKey, CHALLENGE_SECRET: secret };

  it('is none unless somebody is named, and each that is named has its own address', () => {
    const told = { log, metrics: new Metrics() };
    expect(challengeProvider(parse({}), told)).toBeInstanceOf(NoChallenge);
    expect(challengeProvider(parse({}), told).challenge).toBeNull();
    for (const provider of ['hcaptcha', 'recaptcha', 'turnstile'] as const) {
      const made = challengeProvider(parse({ CHALLENGE_PROVIDER: provider, ...keys }), told);
      expect([made instanceof SiteverifyChallenge, made.challenge]).toEqual([true, { provider, siteKey }]);
      expect(siteverifyUrls[provider]).toMatch(/^https:\/\/.*siteverify$/);
    }
    expect(challengeProvider(parse({ CHALLENGE_PROVIDER: 'test', ...keys }), told)).toBeInstanceOf(TestChallenge);
  });

  it('needs both keys, sends its secret over TLS only, and never shows it', () => {
    const both = 'CHALLENGE_PROVIDER needs CHALLENGE_SITE_KEY and CHALLENGE_SECRET';
    expect(mistakes({ CHALLENGE_PROVIDER: 'hcaptcha' })).toEqual([both]);
    expect(mistakes({ CHALLENGE_PROVIDER: 'hcaptcha', CHALLENGE_SITE_KEY: siteKey })).toEqual([both]);
    const open = { CHALLENGE_PROVIDER: 'hcaptcha', ...keys, CHALLENGE_URL: 'http://captcha.example/siteverify' };
    expect(mistakes(open)).toEqual(['CHALLENGE_URL must be https']);
    const config = { challenge: parse({ ...open, CHALLENGE_URL: fake.url }) };
    expect(effectiveConfig({ challenge: challengeConfig }, config).join()).not.toContain(secret);
  });
});
