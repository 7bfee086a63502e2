import { findPort, findPortWithBus, giveBackPort, giveBackPortWithBus } from './ports.js';
import { PortTakenError } from './postgres-server.js';

const startAttempts = 3;

export interface PortWish {
  /** For the line that tells of a port in use. */
  readonly what: string;
  readonly preferred: readonly (number | undefined)[];
  readonly note: (line: string) => void;
  /** True: the server is a node of a Redis Cluster and needs a second port for its bus. */
  readonly withBus?: boolean;
}

/** A port may be taken between its choice and the server's start: then another one is tried. */
export async function onPort<T>(wish: PortWish, start: (port: number) => Promise<T>): Promise<T> {
  const { what, note, withBus = false } = wish;
  const preferred = wish.preferred.filter((port) => port !== undefined);
  for (let attempt = 1; ; attempt += 1) {
    const port = await (withBus ? findPortWithBus : findPort)(what, preferred, note);
    try {
      return await start(port);
    } catch (error) {
      (withBus ? giveBackPortWithBus : giveBackPort)(port);
      if (!(error instanceof PortTakenError) || attempt === startAttempts) throw error;
    }
  }
}
