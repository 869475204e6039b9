/** A limiter without HTTP: for WebSocket messages, GraphQL operations, jobs, and for express-rate-limit's handler methods. */
import type { RequestHandler } from 'express';
import { invalidOption } from '../core/errors.js';
import { checkCost } from './checks.js';
import { fromNow } from './information.js';
import type { Limiter, RateLimitDecision, RefundToken } from './limiter.js';
import type { ClientRateLimitInfo } from './options.js';
import type { ResolvedOptions } from './resolve-options.js';

/** express-rate-limit's name for a limiter. */
export type RateLimitRequestHandler = RequestHandler & {
  resetKey: (key: string) => void;
  getKey: (key: string) => Promise<ClientRateLimitInfo | undefined> | ClientRateLimitInfo | undefined;
};

export interface Quota {
  /**
   * Takes `cost` units (default 1) for a key, all or none. It needs a `limit` that is a number.
   *
   * While Redis is away `onRedisDown` decides, and `source` is `memory` or `policy`.
   */
  consume(key: string, cost?: number): Promise<RateLimitDecision>;
  /** Takes back what one decision recorded, at most once. False when it is gone already or Redis is away. */
  refund(token: RefundToken): Promise<boolean>;
  /** What `consume(key)` would answer now; takes nothing. */
  peek(key: string): Promise<RateLimitDecision>;
  /** Forgets what a client has used. Rejects when Redis is away. */
  resetKey(key: string): Promise<void>;
  /** What a client has used; undefined when nothing. */
  getKey(key: string): Promise<ClientRateLimitInfo | undefined>;
}

export function createQuota(limiter: Limiter, options: ResolvedOptions): Quota {
  function limitOf(method: string): number {
    if (typeof options.limit === 'number') return options.limit;
    throw invalidOption('limit', options.limit, `${method}() has no request to call it with. Use a number.`);
  }

  return {
    async consume(key, cost = 1) {
      if (options.store !== undefined && cost !== 1)
        throw invalidOption('cost', cost, 'A custom `store` counts by ones: leave it out.');
      return limiter.take({ key, cost: checkCost(cost), limit: limitOf('consume') });
    },
    refund: (token) => limiter.refund(token),
    async peek(key) {
      return limiter.look({ key, cost: 1, limit: limitOf('peek') });
    },
    resetKey(key) {
      const done = limiter.forget(key);
      // express-rate-limit types it as void, so that many do not wait for it.
      done.catch(() => {});
      return done;
    },
    async getKey(key) {
      const limit = typeof options.limit === 'number' ? options.limit : Number.MAX_SAFE_INTEGER;
      const { used, resetMs, resetTime } = await limiter.look({ key, cost: 1, limit });
      if (used === 0) return undefined;
      return {
        totalHits: used,
        resetTime: resetTime ?? (resetMs === undefined ? undefined : fromNow(resetMs)),
      };
    },
  };
}
