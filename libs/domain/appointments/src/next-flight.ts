/**
 * One computation at a time for each key. Whoever asks while one runs shares the next with all who ask meanwhile, so an
 * answer never stems from before its question.
 */
export class NextFlight<T> {
  readonly #flights = new Map<string, { readonly running: Promise<T>; next: Promise<T> | null }>();

  run(key: string, compute: () => Promise<T>): Promise<T> {
    const flight = this.#flights.get(key);
    if (!flight) return this.#start(key, compute);
    flight.next ??= settled(flight.running).then(() => this.#start(key, compute));
    return flight.next;
  }

  #start(key: string, compute: () => Promise<T>): Promise<T> {
    const running = compute();
    const flight = { running, next: null };
    this.#flights.set(key, flight);
    void settled(running).then(() => {
      if (flight.next === null && this.#flights.get(key) === flight) this.#flights.delete(key);
    });
    return running;
  }
}

const settled = (promise: Promise<unknown>): Promise<void> =>
  promise.then(
    () => undefined,
    () => undefined,
  );
