/** Leases that may stand though nobody fills under them any more, ended as soon as the store can be reached again. */
import { hasCode, isRedisTrouble } from '../core/errors.js';
import type { Guard } from '../core/guard.js';
import type { Lease } from './store.js';

type LeaseName = Pick<Lease, 'key' | 'field' | 'token'>;

const RETRY_EVERY_MS = 50;
const RELEASED_AT_ONCE = 100;
/** By then the longest lease has expired by itself. */
const GIVE_UP_AFTER_MS = 15_000;
/** Beyond this the oldest is left to its expiry. */
const MAX_ORPHANS = 10_000;

/**
 * A call that is given up may have reached Redis all the same: a lease is then granted that this process does not know
 * of, or not ended though its value is loaded, and everybody would wait until it expires.
 */
export class Orphans {
  readonly #guard: Guard;
  readonly #release: (lease: LeaseName) => Promise<unknown>;
  /** By token; with the time from which on nothing needs to be done. */
  readonly #leases = new Map<string, { readonly lease: LeaseName; readonly giveUpAt: number }>();
  #timer: NodeJS.Timeout | undefined;

  constructor(guard: Guard, release: (lease: LeaseName) => Promise<unknown>) {
    this.#guard = guard;
    this.#release = release;
  }

  /** Makes a call that takes a lease; when it is given up, whatever it was granted is ended later. */
  async watchTaking<Result>(lease: LeaseName, call: () => Promise<Result>): Promise<Result> {
    // Nothing is sent to a Redis that is known to be away.
    const mayReach = this.#guard.isUsable(lease.key);
    try {
      return await call();
    } catch (error) {
      if (mayReach && hasCode(error, 'ERS_REDIS_UNAVAILABLE')) this.#add(lease);
      throw error;
    }
  }

  /** Makes a call that ends a lease; when it fails, also because Redis refused it, the lease is ended later. */
  async watchEnding<Result>(lease: LeaseName, call: () => Promise<Result>): Promise<Result> {
    try {
      return await call();
    } catch (error) {
      if (isRedisTrouble(error)) this.#add(lease);
      throw error;
    }
  }

  #add(lease: LeaseName): void {
    this.#leases.set(lease.token, { lease, giveUpAt: performance.now() + GIVE_UP_AFTER_MS });
    const [oldest] = this.#leases.keys();
    if (this.#leases.size > MAX_ORPHANS && oldest !== undefined) this.#leases.delete(oldest);
    this.#releaseLater();
  }

  #releaseLater(): void {
    this.#timer ??= setTimeout(async () => {
      await this.#releaseAll();
      this.#timer = undefined;
      if (this.#leases.size > 0) this.#releaseLater();
    }, RETRY_EVERY_MS).unref();
  }

  async #releaseAll(): Promise<void> {
    const waiting = [...this.#leases.values()];
    while (this.#guard.isUsable() && waiting.length > 0) {
      const some = waiting.splice(0, RELEASED_AT_ONCE);
      await Promise.all(some.map(({ lease, giveUpAt }) => this.#releaseOne(lease, giveUpAt)));
    }
  }

  async #releaseOne(lease: LeaseName, giveUpAt: number): Promise<void> {
    try {
      await this.#release(lease);
    } catch {
      if (performance.now() < giveUpAt) return;
    }
    this.#leases.delete(lease.token);
  }
}
