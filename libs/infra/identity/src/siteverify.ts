import { z } from 'zod';
import type { Secret } from '#infra/config';
import type { Log, Metrics } from '#infra/telemetry';
import { ProviderBreaker } from '#infra/throttling';
import { type Challenge, ChallengeProvider, type Verdict } from './challenge.js';

/** Where each asks to be told about a token; their protocol is the same. */
export const siteverifyUrls = {
  hcaptcha: 'https://api.hcaptcha.com/siteverify',
  recaptcha: 'https://www.google.com/recaptcha/api/siteverify',
  turnstile: 'https://challenges.cloudflare.com/turnstile/v0/siteverify',
} as const;
export type SiteverifyName = keyof typeof siteverifyUrls;

/** Somebody waits at the login. */
const timeoutMs = 3_000;
const answerMaxBytes = 16 * 1024;

const answer = z.object({
  success: z.boolean(),
  'error-codes': z.array(z.string()).optional(),
});

/** These speak of us or of the provider; every other one says that the token is no good. */
const ours: ReadonlySet<string> = new Set([
  'missing-input-secret',
  'invalid-input-secret',
  'sitekey-secret-mismatch',
  'bad-request',
  'internal-error',
]);

interface SiteverifyOptions {
  readonly provider: SiteverifyName;
  readonly siteKey: string;
  readonly secret: Secret;
  /** Instead of the provider's own. */
  readonly url?: string;
  readonly log: Log;
  readonly metrics: Metrics;
}

/**
 * hCaptcha, reCAPTCHA v2 and Turnstile: a form with the secret and the token, an answer in JSON. No address of anybody is sent.
 * A provider that fails again and again is left alone, and is `away` meanwhile.
 */
export class SiteverifyChallenge extends ChallengeProvider {
  readonly challenge: Challenge;
  readonly #way: ProviderBreaker;

  constructor(private readonly options: SiteverifyOptions) {
    super();
    const { provider, siteKey, log, metrics } = options;
    this.challenge = { provider, siteKey };
    this.#way = new ProviderBreaker({ provider: 'challenge', timeoutMs, isFailure: () => true, log, metrics });
  }

  async judge(token: string): Promise<Verdict> {
    try {
      return await this.#way.run((signal) => this.#ask(token, signal));
    } catch {
      // The breaker has logged and counted it.
      return 'away';
    }
  }

  async #ask(token: string, signal: AbortSignal): Promise<Verdict> {
    const { provider, secret, url = siteverifyUrls[provider] } = this.options;
    const response = await fetch(url, {
      method: 'POST',
      body: new URLSearchParams({ secret: secret.reveal(), response: token }),
      redirect: 'error',
      signal,
    });
    const { success, 'error-codes': codes = [] } = answer.parse(JSON.parse(await textOf(response)));
    const fault = codes.find((code) => ours.has(code));
    if (fault !== undefined) throw new Error(`siteverify says ${fault}`);
    return success ? 'passed' : 'refused';
  }
}

async function textOf(response: Response): Promise<string> {
  if (!response.ok) throw new Error(`siteverify answers with status ${response.status}`);
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length;
    if (bytes > answerMaxBytes) throw new Error('siteverify answers with more than anybody needs');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
