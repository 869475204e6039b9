/** One handler run per page and variant in this process: whoever comes second waits for what the first one stores. */
import type { Entry } from './entry.js';

/** What those who wait get: the page, or the news that its handler failed; nothing when nobody may share it. */
export type Landing = Entry | 'failed';

export interface Flight {
  /** What came of it, or nothing so far and nobody should wait longer. */
  readonly landed: Promise<Landing | undefined>;
  /** The handler is done, and what is left is to store its answer. */
  readonly isLanding: boolean;
  startLanding(): void;
  /**
   * The answer has begun: it is complete at once, or nobody knows when, such as a slow client's or an endless one; then
   * `onOverdue` hears of it.
   */
  expectEnd(onOverdue: () => void): void;
  /** At most the first call counts. */
  land(result: Landing | undefined): void;
}

export interface Flights {
  /** Another request's flight, if there is one. */
  of(key: string, variant: string): Flight | undefined;
  start(key: string, variant: string): Flight;
  /** Nobody joins the flights of a key any more: what they bring may be older than what was just changed. */
  forget(key: string): void;
}

/** Handlers slower than this are asked once more by everybody who waited, and by who comes later. */
const WAIT_BUDGET_MS = 10_000;
const END_BUDGET_MS = 250;

/** `landingMs`: how long those who wait for a page wait for it to be stored. */
export function createFlights({ landingMs }: { readonly landingMs: number }): Flights {
  const byKey = new Map<string, Map<string, Flight>>();

  function remove(key: string, variant: string, flight: Flight): void {
    const flights = byKey.get(key);
    if (flights?.get(variant) !== flight) return;
    flights.delete(variant);
    if (flights.size === 0) byKey.delete(key);
  }

  return {
    of: (key, variant) => byKey.get(key)?.get(variant),
    start(key, variant) {
      let resolve: (result: Landing | undefined) => void = () => {};
      const landed = new Promise<Landing | undefined>((settle) => {
        resolve = settle;
      });
      let isLanding = false;
      let timer = patience(WAIT_BUDGET_MS);

      function patience(budgetMs: number, onOver?: () => void): NodeJS.Timeout {
        return setTimeout(function giveUp() {
          resolve(undefined);
          onOver?.();
        }, budgetMs).unref();
      }

      const flight: Flight = {
        landed,
        get isLanding() {
          return isLanding;
        },
        startLanding() {
          isLanding = true;
          clearTimeout(timer);
          timer = patience(landingMs);
        },
        expectEnd(onOverdue) {
          clearTimeout(timer);
          timer = patience(END_BUDGET_MS, onOverdue);
        },
        land(result) {
          clearTimeout(timer);
          remove(key, variant, flight);
          resolve(result);
        },
      };
      const flights = byKey.get(key) ?? new Map<string, Flight>();
      byKey.set(key, flights.set(variant, flight));
      return flight;
    },
    forget: (key) => byKey.delete(key),
  };
}
