/** Loads past the store: of keys that are being written, and of all keys while the store cannot be used. */
import { landedBy } from './landed-by.js';
import type { Loaded } from './lease.js';
import { FollowingFlight, SingleFlight } from './single-flight.js';

export type Load = () => Promise<Loaded>;

export class PastStore {
  readonly #waitMs: number;
  readonly #inOutage = new SingleFlight<Loaded>();
  readonly #ofWritten = new FollowingFlight<Loaded>();

  constructor(waitMs: number) {
    this.#waitMs = waitMs;
  }

  /** Shared only with loads that begin after this call. */
  async load(key: string, load: Load, onWait: () => void): Promise<Loaded> {
    const { landing, isOwn } = this.#ofWritten.run(key, load);
    if (isOwn) return landing;
    onWait();
    return (await landedBy(performance.now() + this.#waitMs, landing)) ?? load();
  }

  /** Nobody can tell then what other processes write: an outage is the one time when a load may be shared unchecked. */
  async loadInOutage(
    key: string,
    load: Load,
    onWait: () => void,
  ): Promise<{ readonly loaded: Loaded; readonly isShared: boolean }> {
    const flight = this.#inOutage.find(key);
    if (flight === undefined)
      return { loaded: await this.#inOutage.begin(key, load).landing, isShared: false };
    onWait();
    const shared = await landedBy(performance.now() + this.#waitMs, flight.landing);
    if (shared !== undefined) return { loaded: shared, isShared: true };
    return { loaded: await this.load(key, load, onWait), isShared: false };
  }

  /** No load that is under way is shared with those who ask from now on; without a key: of none. */
  forget(key?: string): void {
    this.#inOutage.forget(key);
  }
}
