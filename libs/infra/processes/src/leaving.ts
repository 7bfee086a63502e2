import type { Log } from '#infra/telemetry';
import type { Departure } from './drain.js';
import { exitCodes } from './exit-codes.js';
import type { Service } from './program.js';

/** Whatever hangs in a drain: the process is gone before containers are killed. */
export const exitMaxMs = 34_300;

interface Leave extends Departure {
  readonly service: Service;
  readonly log: Log;
  /** With which a drain ends in which nothing had to be cut. */
  readonly code: number;
  /** Runs when all is over, before the exit. */
  readonly last?: () => Promise<void>;
}

/** Drains and exits. */
export async function leave({ service, log, code, last, ...departure }: Leave): Promise<never> {
  setTimeout(() => process.exit(exitCodes.failed), exitMaxMs).unref();
  const drained = await service.drain(departure).catch((error: unknown) => {
    log.error('drain.failed', { error });
    return false;
  });
  await last?.();
  await log.flush();
  process.exit(drained || code !== exitCodes.done ? code : exitCodes.failed);
}
