/** Denials that this process may repeat without asking Redis, because nobody can be admitted yet. */
import { LRUCache } from 'lru-cache';
import type { Verdict } from './window.js';

/** A refund or reset made by another process shows within this time. */
const ASK_AGAIN_AFTER_MS = 1000;
const MAX_KEYS = 10_000;
/** Different demands on one key, when limit or cost are functions of the request. */
const MAX_PER_KEY = 8;
/** Keys reset or refunded while questions about them were on their way. */
const MAX_FORGOTTEN = 1_000;

/** What was denied. Limiters of one name share what they know of a key, and deny alike when they have one shape. */
export interface Denied {
  readonly limit: number;
  readonly cost: number;
  /** All else that decides: the further windows, the block. */
  readonly shape: string;
}

interface Denial extends Denied {
  readonly used: number;
  readonly which: number;
  readonly resetAt: number;
  readonly fitsAt: number;
  askAgainAt: number;
}

/** All times are milliseconds of a monotonic clock. */
export class Denials {
  readonly #byKey = new LRUCache<string, Denial[]>({ max: MAX_KEYS });
  readonly #forgottenAt = new LRUCache<string, number>({ max: MAX_FORGOTTEN });

  /** The denial of this very demand that still holds; undefined when Redis has to be asked. */
  find(key: string, denied: Denied, now: number): Verdict | undefined {
    const denial = this.#byKey.get(key)?.find((known) => isSame(known, denied));
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
  remember(key: string, { limit, cost, shape }: Denied, sentAt: number, verdict: Verdict): void {
    // It may speak of what was there before a reset or refund.
    if ((this.#forgottenAt.get(key) ?? Number.NEGATIVE_INFINITY) >= sentAt) return;
    const others = (this.#byKey.get(key) ?? []).filter((known) => !isSame(known, { limit, cost, shape }));
    const denial = {
      limit,
      cost,
      shape,
      used: verdict.used,
      which: verdict.which,
      resetAt: sentAt + (verdict.resetMs ?? 0),
      fitsAt: sentAt + verdict.retryMs,
      askAgainAt: sentAt + ASK_AGAIN_AFTER_MS,
    };
    this.#byKey.set(key, [...others.slice(1 - MAX_PER_KEY), denial]);
  }

  /** Somebody was let in. */
  forget(key: string): void {
    this.#byKey.delete(key);
  }

  /** After a reset or refund: denials that are still on their way are forgotten, too. */
  forgetUntil(key: string, now: number): void {
    this.#byKey.delete(key);
    this.#forgottenAt.set(key, now);
  }
}

function isSame(one: Denied, other: Denied): boolean {
  return one.limit === other.limit && one.cost === other.cost && one.shape === other.shape;
}
