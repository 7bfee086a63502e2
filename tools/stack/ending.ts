/** npm passes on a signal that the terminal has sent already: a second one this soon is the same one. */
const sameSignalMs = 1_500;
const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

export interface Ending {
  /** Aborted by the first signal. */
  readonly abort: AbortSignal;
  /** Resolves with the exit status: 0 by a signal, or what `end` was given. */
  readonly asked: Promise<number>;
  end(status: number): void;
}

/** The first signal asks for a drain, as does a terminal that is gone; one more, later, ends the process at once. */
export function listenForEnd(say: (line: string) => void): Ending {
  const controller = new AbortController();
  const { promise, resolve } = Promise.withResolvers<number>();
  let firstAt: number | undefined;
  const hear = () => {
    const now = performance.now();
    if (firstAt !== undefined) {
      if (now - firstAt > sameSignalMs) process.exit(130);
      return;
    }
    firstAt = now;
    say('\nStopping: the apps finish what they have begun, then the servers stop (Ctrl-C again: at once) …');
    controller.abort();
    resolve(0);
  };
  for (const name of signals) process.on(name, hear);
  process.stdout.on('error', () => {
    controller.abort();
    resolve(0);
  });
  return { abort: controller.signal, asked: promise, end: resolve };
}
