/** One load for all in this process who ask for the same thing at the same time. */

export interface Flight<Result> {
  readonly landing: Promise<Result>;
  /**
   * Whether somebody who asks now may share what lands, given the lease that the store shows on the key.
   *
   * A load that began before a write must not be shared with one who asks after it. True for all until the flight
   * says otherwise.
   */
  mayShare: (leaseSeen: string | null) => boolean;
}

/** A flight that fails, fails for all who share it, and is not remembered. */
export class SingleFlight<Result> {
  readonly #flights = new Map<string, Flight<Result>>();

  /** The latest flight for a key, while it is under way. */
  find(key: string): Flight<Result> | undefined {
    return this.#flights.get(key);
  }

  /** Begins a flight, in place of one that is under way. */
  begin(key: string, fly: (flight: Pick<Flight<Result>, 'mayShare'>) => Promise<Result>): Flight<Result> {
    const rules = { mayShare: () => true };
    const flight: Flight<Result> = Object.assign(rules, { landing: call(() => fly(rules)) });
    this.#flights.set(key, flight);
    const forgetLanded = () => {
      if (this.#flights.get(key) === flight) this.#flights.delete(key);
    };
    flight.landing.then(forgetLanded, forgetLanded);
    return flight;
  }

  /** Nobody joins the flight any more, without a key: any flight; those who have, still share it. */
  forget(key?: string): void {
    if (key === undefined) this.#flights.clear();
    else this.#flights.delete(key);
  }
}

/**
 * Shares only loads that begin after all who share them have asked: at most one per key under way, and one to follow.
 *
 * That is what a key needs of which this process knows, or must fear, that it is being written.
 */
export class FollowingFlight<Result> {
  readonly #current = new Map<string, Promise<Result>>();
  readonly #following = new Map<string, Promise<Result>>();

  /** `isOwn` when nobody was at it, so that `load` runs already. */
  run(key: string, load: () => Promise<Result>): { landing: Promise<Result>; isOwn: boolean } {
    const current = this.#current.get(key);
    if (current === undefined) return { landing: this.#begin(key, load), isOwn: true };
    const landing = this.#following.get(key) ?? this.#plan(key, current, load);
    return { landing, isOwn: false };
  }

  #plan(key: string, current: Promise<Result>, load: () => Promise<Result>): Promise<Result> {
    const follow = () => {
      this.#following.delete(key);
      return this.#begin(key, load);
    };
    const following = current.then(follow, follow);
    this.#following.set(key, following);
    return following;
  }

  #begin(key: string, load: () => Promise<Result>): Promise<Result> {
    const landing = call(load);
    this.#current.set(key, landing);
    const forgetLanded = () => {
      if (this.#current.get(key) === landing) this.#current.delete(key);
    };
    landing.then(forgetLanded, forgetLanded);
    return landing;
  }
}

/** What throws instead of rejecting, rejects. */
function call<Result>(load: () => Promise<Result>): Promise<Result> {
  return new Promise((resolve) => resolve(load()));
}
