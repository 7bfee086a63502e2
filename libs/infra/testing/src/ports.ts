import { createServer } from 'node:net';

/** Fallbacks start this far above, clear of the neighbours' preferred ports. */
const fallbackDistance = 100;
const fallbacksTried = 40;

/** A node of a Redis Cluster talks to the others on its port plus this. */
export const busDistance = 10_000;
const maxPort = 65_535;
const pairsTried = 100;

/** Ports handed out in this process, so that two servers starting at once never get the same. */
const handedOut = new Set<number>();

/**
 * The first of `preferred` that is free, else one a little above the first, else any. Says which ports were taken
 * through `note`. With no preference: any free port.
 */
export async function findPort(
  what: string,
  preferred: readonly number[],
  note: (line: string) => void,
): Promise<number> {
  const first = preferred[0];
  if (first === undefined) return takeAny();
  const candidates = [...preferred, ...Array.from({ length: fallbacksTried }, (_, n) => first + fallbackDistance + n)];
  for (const port of candidates) {
    if (handedOut.has(port) || !(await isFree(port))) continue;
    if (port !== first) note(`port ${first} for ${what} is in use; taking ${port}`);
    handedOut.add(port);
    return port;
  }
  const port = await takeAny();
  note(`port ${first} for ${what} is in use; taking ${port}`);
  return port;
}

/** As `findPort`, for a node of a Redis Cluster: the port of its bus is free as well. */
export async function findPortWithBus(
  what: string,
  preferred: readonly number[],
  note: (line: string) => void,
): Promise<number> {
  const refused: number[] = [];
  for (let tried = 0; tried < pairsTried; tried += 1) {
    const port = await findPort(what, preferred, note);
    const bus = port + busDistance;
    if (bus <= maxPort && !handedOut.has(bus) && (await isFree(bus))) {
      handedOut.add(bus);
      for (const other of refused) giveBackPort(other);
      return port;
    }
    refused.push(port);
  }
  throw new Error('this machine has no free pair of ports');
}

export function giveBackPortWithBus(port: number): void {
  giveBackPort(port);
  giveBackPort(port + busDistance);
}

export function giveBackPort(port: number): void {
  handedOut.delete(port);
}

async function takeAny(): Promise<number> {
  const port = await listenOnce(0);
  if (port === undefined) throw new Error('this machine has no free port');
  if (handedOut.has(port)) return takeAny();
  handedOut.add(port);
  return port;
}

/** Free on every address: a program that listens on one of them already would make the URL ambiguous. */
const isFree = async (port: number): Promise<boolean> => (await listenOnce(port)) !== undefined;

function listenOnce(port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(undefined));
    server.listen({ port, exclusive: true }, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : undefined));
    });
  });
}
