import { timingSafeEqual } from 'node:crypto';
import type { Secret } from '#infra/config';

/** Whose puzzle it is, and the public key that a page shows it with. */
export interface Challenge {
  readonly provider: string;
  readonly siteKey: string;
}

/** `away`: nobody could be asked. */
export type Verdict = 'passed' | 'refused' | 'away';

/** Who tells people from machines where somebody guesses passwords. */
export abstract class ChallengeProvider {
  /** What is asked of whoever is suspicious; null: nothing, ever. */
  abstract readonly challenge: Challenge | null;
  /** About the token that the solved puzzle gave to the client. Never rejects. */
  abstract judge(token: string): Promise<Verdict>;
}

/** Asks nobody. */
export class NoChallenge extends ChallengeProvider {
  readonly challenge = null;

  async judge(): Promise<Verdict> {
    return 'passed';
  }
}

/** Takes one secret word for a solved puzzle: for test environments, from which no provider outside is reached. */
export class TestChallenge extends ChallengeProvider {
  readonly challenge: Challenge;

  constructor(
    siteKey: string,
    private readonly word: Secret,
  ) {
    super();
    this.challenge = { provider: 'test', siteKey };
  }

  async judge(token: string): Promise<Verdict> {
    const [said, expected] = [Buffer.from(token), Buffer.from(this.word.reveal())];
    return said.length === expected.length && timingSafeEqual(said, expected) ? 'passed' : 'refused';
  }
}
