import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import type { Secret } from '#infra/config';
import type { CdnCall } from './plan.js';

const callTimeoutMs = 10_000;
const attemptsMax = 4;
const retryAfterMaxMs = 30_000;
const usualRetryMs = 1_000;

const answerShape = z.object({
  success: z.boolean(),
  result: z.unknown().optional(),
  errors: z.array(z.object({ code: z.number(), message: z.string() })).default([]),
});

/** Cloudflare said no, in its own words and numbers. */
export class CdnRefusal extends Error {
  override readonly name = 'CdnRefusal';

  constructor(
    readonly status: number,
    said: string,
  ) {
    super(`HTTP ${status}${said === '' ? '' : `: ${said}`}`);
  }
}

export interface Cloudflare {
  readonly apiUrl: string;
  readonly token: Secret;
}

/**
 * The result that Cloudflare answers. Throws CdnRefusal. Waits and repeats where Cloudflare limits or fails, three times at
 * most: every call may be repeated.
 */
export async function callCloudflare({ apiUrl, token }: Cloudflare, call: CdnCall): Promise<unknown> {
  for (let attempt = 1; ; attempt += 1) {
    const answer = await fetch(`${apiUrl.replace(/\/$/, '')}/${call.path}`, {
      method: call.method,
      headers: { authorization: `Bearer ${token.reveal()}`, 'content-type': 'application/json' },
      ...(call.body === undefined ? {} : { body: JSON.stringify(call.body) }),
      signal: AbortSignal.timeout(callTimeoutMs),
    });
    const isTransient = answer.status === 429 || answer.status >= 500;
    if (!isTransient || attempt === attemptsMax) return judge(answer);
    await answer.body?.cancel();
    await sleep(waitMs(answer.headers.get('retry-after'), attempt));
  }
}

async function judge(answer: Response): Promise<unknown> {
  const read = answerShape.safeParse(await answer.json().catch(() => undefined));
  if (answer.ok && read.data?.success === true) return read.data.result;
  const said = (read.data?.errors ?? []).map(({ code, message }) => `${code} ${message}`).join('; ');
  throw new CdnRefusal(answer.status, said);
}

function waitMs(retryAfter: string | null, attempt: number): number {
  const asked = Number(retryAfter ?? Number.NaN) * 1_000;
  return Math.min(Number.isFinite(asked) ? asked : usualRetryMs * 2 ** (attempt - 1), retryAfterMaxMs);
}
