/** Somebody else's hit counter as a window of ours. */
import { isDate } from 'node:util/types';
import type { ClientRateLimitInfo, LegacyStore, Logger, Options, Store } from './options.js';
import type { Demand, Verdict, Window } from './window.js';

/**
 * The store itself, or a legacy one with promises.
 *
 * @throws TypeError when it is neither, as express-rate-limit does.
 */
export function asStore(given: Store | LegacyStore): Store {
  const store = isLegacy(given) ? promised(given) : (given as Store);
  const required = [store.increment, store.decrement, store.resetKey];
  const optional = [store.resetAll, store.init].filter((method) => method !== undefined);
  if ([...required, ...optional].every((method) => typeof method === 'function')) return store;
  throw new TypeError(
    'store: not a Store. It needs the functions increment, decrement and resetKey; resetAll and init are optional.',
  );
}

/** Hands the store its options. It is not waited for, and a failure is logged, as express-rate-limit does. */
export function startStore(store: Store, options: Options, logger: Logger): void {
  const start = async () => store.init?.(options);
  start()
    .catch((error) => logger.error(error, 'rate-limit: the store could not be initialised.'))
    .catch(() => {});
}

/** A store as a window: it counts first and learns the limit never, so its rejections are recorded too. */
export class StoreWindow implements Window {
  readonly #store: Store;
  readonly #windowMs: number;
  readonly #checkHits: (hits: unknown) => void;

  constructor(store: Store, windowMs: number, checkHits: (hits: unknown) => void) {
    this.#store = store;
    this.#windowMs = windowMs;
    this.#checkHits = checkHits;
  }

  async take(key: string, { limit, record }: Demand): Promise<Verdict> {
    if (record === 'never') return this.#look(key, limit);
    const counted = await this.#store.increment(key);
    this.#checkHits(counted.totalHits);
    // Stores may hand out the object that they go on counting in.
    const used = counted.totalHits;
    const isAllowed = !(used > limit);
    const times = this.#timesOf(counted, isAllowed);
    return {
      isAllowed,
      used,
      ...times,
      mark: times.resetTime?.getTime() ?? Number.POSITIVE_INFINITY,
      which: 0,
    };
  }

  /** After the reset the hit is gone anyway, and a decrement would take somebody else's. */
  async refund(key: string, resetAt: number): Promise<boolean> {
    if (Date.now() >= resetAt) return false;
    await this.#store.decrement(key);
    return true;
  }

  async forget(key: string): Promise<void> {
    await this.#store.resetKey(key);
  }

  async #look(key: string, limit: number): Promise<Verdict> {
    if (typeof this.#store.get !== 'function')
      throw new Error('store: this store has no get(), which getKey() and peek() need.');
    const known = await this.#store.get(key);
    const used = known?.totalHits ?? 0;
    const isAllowed = used < limit;
    return { isAllowed, used, ...this.#timesOf(known, isAllowed), mark: 0, which: 0 };
  }

  #timesOf(known: ClientRateLimitInfo | undefined, isAllowed: boolean) {
    const resetTime = isMoment(known?.resetTime) ? known.resetTime : undefined;
    const resetMs = resetTime === undefined ? undefined : Math.max(0, resetTime.getTime() - Date.now());
    return { resetTime, resetMs, retryMs: isAllowed ? 0 : (resetMs ?? this.#windowMs) };
  }
}

/** Stores are not always typed; what is no moment in time says nothing. */
function isMoment(resetTime: unknown): resetTime is Date {
  return isDate(resetTime) && !Number.isNaN(resetTime.getTime());
}

function isLegacy(store: Store | LegacyStore): store is LegacyStore {
  return (
    typeof (store as LegacyStore).incr === 'function' && typeof (store as Store).increment !== 'function'
  );
}

function promised(legacy: LegacyStore): Store {
  return {
    increment: (key) =>
      new Promise((resolve, reject) => {
        legacy.incr(key, (error, totalHits, resetTime) => {
          if (error) reject(error);
          else resolve({ totalHits, resetTime });
        });
      }),
    decrement: (key) => legacy.decrement(key),
    resetKey: (key) => legacy.resetKey(key),
    resetAll: () => legacy.resetAll?.(),
  };
}
