import { choice, optional, secret, slice, text, url, type Values } from '#infra/config';
import type { Log, Metrics } from '#infra/telemetry';
import { type ChallengeProvider, NoChallenge, TestChallenge } from './challenge.js';
import { SiteverifyChallenge } from './siteverify.js';

const loopback: ReadonlySet<string> = new Set(['localhost', '127.0.0.1', '[::1]']);

export const challengeConfig = slice(
  'Challenge at the login',
  {
    provider: choice('CHALLENGE_PROVIDER', ['none', 'hcaptcha', 'recaptcha', 'turnstile', 'test'], {
      default: 'none',
      description:
        'who tells people from machines after 5 failed attempts to log in; none asks nobody, test takes CHALLENGE_SECRET for an answer',
    }),
    siteKey: optional(text('CHALLENGE_SITE_KEY', { description: 'public key that clients show the challenge with' })),
    secret: optional(secret('CHALLENGE_SECRET', { description: 'key that the provider knows this product by' })),
    url: optional(
      url('CHALLENGE_URL', ['http', 'https'], {
        description: 'where tokens are judged, instead of the address of the provider; http only on this machine',
      }),
    ),
  },
  (v) => [
    ...(v.provider !== 'none' && (v.siteKey === undefined || v.secret === undefined)
      ? ['CHALLENGE_PROVIDER needs CHALLENGE_SITE_KEY and CHALLENGE_SECRET']
      : []),
    ...(v.url !== undefined && carriesSecretsOpenly(v.url) ? ['CHALLENGE_URL must be https'] : []),
  ],
  { owns: ['CHALLENGE_'] },
);
export type ChallengeConfig = Values<(typeof challengeConfig)['variables']>;

function carriesSecretsOpenly(address: string): boolean {
  const { protocol, hostname } = new URL(address);
  return protocol === 'http:' && !loopback.has(hostname);
}

export function challengeProvider(
  { provider, siteKey, secret: key, url: address }: ChallengeConfig,
  told: { readonly log: Log; readonly metrics: Metrics },
): ChallengeProvider {
  if (provider === 'none' || siteKey === undefined || key === undefined) return new NoChallenge();
  if (provider === 'test') return new TestChallenge(siteKey, key);
  return new SiteverifyChallenge({
    provider,
    siteKey,
    secret: key,
    ...(address === undefined ? {} : { url: address }),
    ...told,
  });
}
