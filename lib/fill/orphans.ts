/** Leases that may stand though nobody fills under them any more, ended as soon as the store can be reached again. */
import { hasCode } from '../core/errors.js';
import type { Guard } from '../core/guard.js';
import type { Lease } from './store.js';

type LeaseName = Pick<Lease, 'key' | 'field' | 'token'>;

const RETRY_EVERY_MS = 50;
const RELEASED_AT_ONCE = 100;
/** Beyond this the oldest is left to its expiry. */
const MAX_ORPHANS = 10_000;

/**
 * A call that is given up may have reached Redis all the same: a lease is then granted that this process does not know
 * of, or not ended though its value is loaded, and everybody would wait until it expires.
 */
export class Orphans {
  readonly #guard: Guard;
  readonly #release: (lease: LeaseName) => Promise<unknown>;
  readonly #leases = new Map<string, LeaseName>();
  #timer: NodeJS.Timeout | undefined;

  constructor(guard: Guard, release: (lease: LeaseName) => Promise<unknown>) {
    this.#guard = guard;
    this.#release = release;
  }

  /** Makes a call that takes or ends `lease`; when it is given up, the lease will be ended later. */
  async watch<Result>(lease: LeaseName, call: () => Promise<Result>): Promise<Result> {
    // Nothing is sent to a Redis that is known to be away.
    const mayReach = this.#guard.isUsable();
    try {
      return await call();
    } catch (error) {
      if (mayReach && hasCode(error, 'ERS_REDIS_UNAVAILABLE')) this.#add(lease);
      throw error;
    }
  }

  #add(lease: LeaseName): void {
    this.#leases.set(lease.token, lease);
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
    while (this.#guard.isUsable() && this.#leases.size > 0) {
      const some = [...this.#leases.values()].slice(0, RELEASED_AT_ONCE);
      const released = await Promise.all(some.map((lease) => this.#releaseOne(lease)));
      if (released.includes(false)) return;
    }
  }

  async #releaseOne(lease: LeaseName): Promise<boolean> {
    try {
      await this.#release(lease);
    } catch (error) {
      // Refused is final: what Redis does not let us end, expires.
      if (hasCode(error, 'ERS_REDIS_UNAVAILABLE')) return false;
    }
    this.#leases.delete(lease.token);
    return true;
  }
}
