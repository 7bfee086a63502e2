import type { Counter, Histogram, Metrics } from '#infra/telemetry';
import type { TokenFault } from './access-token.js';
import type { SessionEnd } from './session.js';

export type LoginResult = 'success' | 'failure' | 'locked';
/** `away`: the provider did not say, and the attempt was let through. */
export type ChallengeResult = 'demanded' | 'passed' | 'refused' | 'away';
export type RefreshResult = 'rotated' | 'repeated' | 'theft' | 'ended' | 'invalid';

/** Seconds: 1, 5, 15 and 30 minutes, 1, 2, 4, 8 and 12 hours. */
const durationBucketsS = [60, 300, 900, 1_800, 3_600, 7_200, 14_400, 28_800, 43_200] as const;

export class IdentityMetrics {
  readonly #logins: Counter<'result'>;
  readonly #challenges: Counter<'result'>;
  readonly #refreshes: Counter<'result'>;
  readonly #refusals: Counter<'fault'>;
  readonly #durations: Histogram<'end'>;

  constructor(metrics: Metrics) {
    this.#logins = metrics.counter('identity_logins_total', 'Attempts to log in.', ['result']);
    this.#challenges = metrics.counter('identity_challenges_total', 'Challenges of suspicious attempts to log in.', [
      'result',
    ]);
    this.#refreshes = metrics.counter('identity_refreshes_total', 'Uses of refresh tokens.', ['result']);
    this.#refusals = metrics.counter('identity_access_tokens_refused_total', 'Access tokens not taken.', ['fault']);
    this.#durations = metrics.histogram(
      'identity_session_duration_seconds',
      'From login to the end of a session that somebody ended.',
      ['end'],
      durationBucketsS,
    );
  }

  login(result: LoginResult): void {
    this.#logins.inc({ result });
  }
  challenge(result: ChallengeResult): void {
    this.#challenges.inc({ result });
  }
  refresh(result: RefreshResult): void {
    this.#refreshes.inc({ result });
  }
  refusedToken(fault: TokenFault): void {
    this.#refusals.inc({ fault });
  }
  sessionEnded(end: SessionEnd, durationMs: number): void {
    this.#durations.observe({ end }, durationMs / 1_000);
  }
}
