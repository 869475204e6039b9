/** Denials that this process may repeat without asking Redis, because nobody can be admitted yet. */
import { LRUCache } from 'lru-cache';
import type { Verdict } from './window.js';

/** A refund or reset made by another process shows within this time. */
const ASK_AGAIN_AFTER_MS = 1000;
const MAX_KEYS = 10_000;
/** Different demands on one key, when limit or cost are functions of the request. */
const MAX_PER_KEY = 8;

interface Denial {
  readonly limit: number;
  readonly cost: number;
  readonly used: number;
  readonly which: number;
  readonly resetAt: number;
  readonly fitsAt: number;
  askAgainAt: number;
}

/** All times are milliseconds of a monotonic clock. */
export class Denials {
  readonly #byKey = new LRUCache<string, Denial[]>({ max: MAX_KEYS });

  /** The denial of this very demand that still holds; undefined when Redis has to be asked. */
  find(key: string, limit: number, cost: number, now: number): Verdict | undefined {
    const denial = this.#byKey.get(key)?.find((known) => known.limit === limit && known.cost === cost);
    if (denial === undefined || now >= denial.fitsAt) return undefined;
    if (now >= denial.askAgainAt) {
      // One request asks; those that arrive meanwhile are still denied from here.
      denial.askAgainAt = now + ASK_AGAIN_AFTER_MS;
      return undefined;
    }
    return {
      isAllowed: false,
      used: denial.used,
      resetMs: Math.max(0, denial.resetAt - now),
      retryMs: denial.fitsAt - now,
      mark: 0,
      which: denial.which,
    };
  }

  /**
   * @param sentAt when the question was sent: Redis read its clock later than that, so the moment it named lies no
   * earlier than counted from here
   */
  remember(key: string, limit: number, cost: number, sentAt: number, verdict: Verdict): void {
    const others = (this.#byKey.get(key) ?? []).filter(
      (known) => known.limit !== limit || known.cost !== cost,
    );
    const denial = {
      limit,
      cost,
      used: verdict.used,
      which: verdict.which,
      resetAt: sentAt + (verdict.resetMs ?? 0),
      fitsAt: sentAt + verdict.retryMs,
      askAgainAt: sentAt + ASK_AGAIN_AFTER_MS,
    };
    this.#byKey.set(key, [...others.slice(1 - MAX_PER_KEY), denial]);
  }

  forget(key: string): void {
    this.#byKey.delete(key);
  }
}
