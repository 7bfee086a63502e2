import { constants } from 'node:os';

/** What a process of the product ends with. A worker killed by a signal counts as 128 + its number, as in a shell. */
export const exitCodes = {
  /** It was asked to end, and everything inside ended by itself. */
  done: 0,
  /** Wrong configuration, a failed start, something cut at the end of a drain, or a second signal. */
  failed: 1,
  /** It drained because a fresh process should take its place: its supervisor starts one. EX_TEMPFAIL of sysexits.h. */
  startAgain: 75,
} as const;

export interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export const exitCodeOf = ({ code, signal }: Ending): number =>
  code ?? (signal === null ? exitCodes.failed : 128 + constants.signals[signal]);
