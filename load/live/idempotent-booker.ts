import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ApiClient, appointmentsPath } from '../api-client.js';
import { bookingBody, type Clinic } from '../clinic.js';
import { type Answer, HttpConnection } from '../http-client.js';

/** What became of the bookings of one tenant. */
export interface BookingLedger {
  /** Ids of the visits of all answers 201. */
  readonly acknowledged: string[];
  /** Bookings that were not answered with 201 in the end, as `status code`. */
  readonly failed: string[];
  /** Attempts after the first. */
  retries: number;
  /** 201 of a retry whose first attempt had been committed. */
  replayed: number;
  /** Bookings that were sent and are not answered yet. */
  underWay: number;
}

export interface BookerPlan {
  readonly url: string;
  readonly api: ApiClient;
  readonly clinic: Clinic;
  /** The next free start; never the same twice. */
  readonly nextStartMin: () => number;
  readonly everyMs: number;
  readonly ledger: BookingLedger;
  readonly signal: AbortSignal;
}

/** Answers that say nothing about the booking: the client asks again, with the same key. */
const askAgain: ReadonlySet<number> = new Set([502, 503, 504]);
const answerWithinMs = 60_000;
const firstPauseMs = 50;
const longestPauseMs = 1_000;

export const emptyLedger = (): BookingLedger => ({
  acknowledged: [],
  failed: [],
  retries: 0,
  replayed: 0,
  underWay: 0,
});

/** Books one free start after another, at even distances, each under a key of its own until it is answered. */
export async function bookUntil({
  url,
  api,
  clinic,
  nextStartMin,
  everyMs,
  ledger,
  signal,
}: BookerPlan): Promise<void> {
  const connection = new HttpConnection(url);
  while (!signal.aborted) {
    const startedAt = performance.now();
    const headers = { ...api.headers, 'idempotency-key': randomUUID() };
    const answer = await untilAnswered(connection, headers, bookingBody(clinic, nextStartMin()), ledger);
    if (answer?.status === 201) {
      ledger.acknowledged.push((JSON.parse(answer.body) as { id: string }).id);
      if (answer.headers['idempotency-replayed'] === 'true') ledger.replayed += 1;
    } else ledger.failed.push(answer === undefined ? 'no answer' : `${answer.status} ${codeOf(answer)}`);
    await sleep(Math.max(0, everyMs - (performance.now() - startedAt)));
  }
  connection.close();
}

async function untilAnswered(
  connection: HttpConnection,
  headers: Readonly<Record<string, string>>,
  body: string,
  ledger: BookingLedger,
): Promise<Answer | undefined> {
  const endsAt = performance.now() + answerWithinMs;
  for (let attempt = 0; performance.now() < endsAt; attempt += 1) {
    if (attempt > 0) {
      ledger.retries += 1;
      await sleep(Math.min(longestPauseMs, firstPauseMs * 2 ** Math.min(attempt - 1, 10)));
    }
    ledger.underWay += 1;
    const answer = await connection.request('POST', appointmentsPath, headers, body).catch(() => undefined);
    ledger.underWay -= 1;
    if (answer !== undefined && !saysNothing(answer)) return answer;
  }
  return undefined;
}

const codeOf = ({ body }: Answer): string => /"code":"([^"]+)"/.exec(body)?.[1] ?? '';

const saysNothing = (answer: Answer): boolean =>
  askAgain.has(answer.status) || (answer.status === 409 && codeOf(answer) === 'idempotency.in_progress');
