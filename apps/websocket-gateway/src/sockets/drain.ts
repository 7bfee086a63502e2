import { setTimeout as sleep } from 'node:timers/promises';
import type { Listeners } from './listeners.js';

const stepMs = 100;
const farewellMs = 1_500;
const lookEveryMs = 20;

/**
 * Lets every connection go, evenly over `spreadMs`, so that clients arrive elsewhere one after another. False when some
 * were still there a moment after the last had been told.
 */
export async function releaseAll(listeners: Listeners, spreadMs: number): Promise<boolean> {
  const all = [...listeners.all()];
  const steps = Math.max(1, Math.ceil(spreadMs / stepMs));
  const perStep = Math.ceil(all.length / steps);
  for (let at = 0; at < all.length; at += perStep) {
    for (const listener of all.slice(at, at + perStep)) listener.release('gateway.draining');
    if (at + perStep < all.length) await sleep(stepMs);
  }
  for (let waitedMs = 0; listeners.count > 0 && waitedMs < farewellMs; waitedMs += lookEveryMs)
    await sleep(lookEveryMs);
  return listeners.count === 0;
}
