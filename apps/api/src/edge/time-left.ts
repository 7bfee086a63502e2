import type { FastifyRequest } from 'fastify';
import { answerDeadlineMs } from './server-options.js';

/** Milliseconds that a part of a batch may take, of the whole's time. Whoever else sends it gets less time, never more. */
export const timeLeftHeader = 'x-time-left';

/** How long this request may take to its answer, the wait to begin included. */
export function timeAllowedMs({ headers }: FastifyRequest): number {
  const told = headers[timeLeftHeader];
  if (told === undefined) return answerDeadlineMs;
  const leftMs = Number(told);
  return leftMs >= 0 && leftMs < answerDeadlineMs ? leftMs : answerDeadlineMs;
}
