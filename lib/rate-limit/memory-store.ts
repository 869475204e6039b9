/** A Store in this process: for express-rate-limit's interface what `rateLimit()` without a client is for ours. */
import { spellId } from '../core/keys.js';
import { fromNow } from './information.js';
import { MemoryWindow } from './memory-window.js';
import type { ClientRateLimitInfo, Options, Store } from './options.js';
import type { Demand } from './window.js';

const DEFAULT_WINDOW_MS = 60_000;
/** Hits kept per client when the store cannot know which limit they are held against. */
const MOST_HITS = 100_000;

/**
 * A sliding window behind the Store interface.
 *
 * With a numeric limit it rejects exactly and records only what was accepted. Where it cannot know the limit (a function)
 * or rejections may be taken back (`skipFailedRequests`, `skipSuccessfulRequests`), it counts every hit, as Stores do.
 */
export class MemoryStore implements Store {
  /** Milliseconds; `init` sets it. */
  windowMs: number = DEFAULT_WINDOW_MS;
  readonly localKeys: boolean = true;
  #window = new MemoryWindow({ windowMs: DEFAULT_WINDOW_MS });
  #limit = MOST_HITS;

  init(options: Options): void {
    const { limit, skipFailedRequests, skipSuccessfulRequests } = options;
    // express-slow-down says 0 and means that it decides itself.
    const knowsLimit =
      typeof limit === 'number' && limit > 0 && !skipFailedRequests && !skipSuccessfulRequests;
    this.#limit = knowsLimit ? Math.min(limit, MOST_HITS) : MOST_HITS;
    this.windowMs = options.windowMs;
    // In a shorter one not even the hit that asks would be live, and no Store counts less than that.
    this.#window = new MemoryWindow({ windowMs: Math.max(1, options.windowMs) });
  }

  async get(key: string): Promise<ClientRateLimitInfo | undefined> {
    const { used, resetMs } = this.#window.take(spellId(key), this.#demand('never'));
    return used === 0 ? undefined : { totalHits: used, resetTime: fromNow(resetMs) };
  }

  async increment(key: string): Promise<ClientRateLimitInfo> {
    const { isAllowed, used, resetMs } = this.#window.take(spellId(key), this.#demand('if-allowed'));
    return { totalHits: isAllowed ? used : used + 1, resetTime: fromNow(resetMs) };
  }

  /** Takes back the newest hit. */
  async decrement(key: string): Promise<void> {
    this.#window.refundNewest(spellId(key));
  }

  async resetKey(key: string): Promise<void> {
    this.#window.forget(spellId(key));
  }

  async resetAll(): Promise<void> {
    this.#window.forgetAll();
  }

  shutdown(): void {
    this.#window.forgetAll();
  }

  #demand(record: Demand['record']): Demand {
    return { cost: 1, limit: this.#limit, record };
  }
}
