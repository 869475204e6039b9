/** What a decision looks like on `request.rateLimit`. */
import type { RateLimitDecision } from './limiter.js';
import type { RateLimitInfo } from './options.js';

export function informationOf(decision: RateLimitDecision, key: string, cost: number): RateLimitInfo {
  const { isAllowed, limit, remaining, resetMs, token, policy } = decision;
  // A rejection that was not recorded still reads as one too many: `used === limit + 1` is a documented idiom.
  const used = isAllowed || token !== undefined ? decision.used : decision.used + cost;
  const resetTime = resetMs === undefined ? undefined : new Date(Date.now() + Math.ceil(resetMs));
  const info = { limit, used, remaining, resetTime, key, ...(policy === undefined ? {} : { policy }) };
  // express-rate-limit's older name, hidden from spreads and JSON as it is there.
  return Object.defineProperty(info, 'current', { value: used });
}
