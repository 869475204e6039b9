/** One handler run per page and variant in this process: whoever comes second waits for what the first one stores. */

/** What came of it: a stored entry, or nothing that others may use. */
export interface Flight<T> {
  readonly landed: Promise<T | undefined>;
  /** The handler is done, and what is left is to store its answer. */
  readonly isLanding: boolean;
  startLanding(): void;
  /** At most the first call counts. */
  land(result: T | undefined): void;
}

export interface Flights<T> {
  /** Another request's flight, if there is one. */
  of(key: string, variant: string): Flight<T> | undefined;
  start(key: string, variant: string): Flight<T>;
  /** Nobody joins the flights of a key any more: what they bring may be older than what was just changed. */
  forget(key: string): void;
}

export function createFlights<T>(): Flights<T> {
  const byKey = new Map<string, Map<string, Flight<T>>>();

  function remove(key: string, variant: string, flight: Flight<T>): void {
    const flights = byKey.get(key);
    if (flights?.get(variant) !== flight) return;
    flights.delete(variant);
    if (flights.size === 0) byKey.delete(key);
  }

  return {
    of: (key, variant) => byKey.get(key)?.get(variant),
    start(key, variant) {
      let resolve: (result: T | undefined) => void = () => {};
      const landed = new Promise<T | undefined>((settle) => {
        resolve = settle;
      });
      let isLanding = false;
      const flight: Flight<T> = {
        landed,
        get isLanding() {
          return isLanding;
        },
        startLanding() {
          isLanding = true;
        },
        land(result) {
          remove(key, variant, flight);
          resolve(result);
        },
      };
      const flights = byKey.get(key) ?? new Map<string, Flight<T>>();
      byKey.set(key, flights.set(variant, flight));
      return flight;
    },
    forget: (key) => byKey.delete(key),
  };
}

/** What a flight brings, or nothing after `budgetMs`. */
export function within<T>(budgetMs: number, promise: Promise<T | undefined>): Promise<T | undefined> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, budgetMs, undefined).unref();
    promise.then((result) => {
      clearTimeout(timer);
      resolve(result);
    });
  });
}
