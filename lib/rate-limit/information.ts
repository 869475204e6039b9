/** What a decision looks like on `request.rateLimit`. */
import type { RateLimitDecision } from './limiter.js';
import type { RateLimitInfo } from './options.js';

/** @param uncounted the units of this request that its rejection did not count */
export function informationOf(decision: RateLimitDecision, key: string, uncounted: number): RateLimitInfo {
  const { isAllowed, limit, remaining, resetMs, token, policy, source } = decision;
  const asked = isAllowed || token !== undefined ? decision.used : decision.used + uncounted;
  // A rejection reads as one too many, recorded or not, by a block too: `used === limit + 1` is a documented idiom.
  // Where nobody could be asked, nothing is known of the client, and nothing is held against it.
  const used = source === 'policy' ? 0 : isAllowed ? asked : Math.max(asked, limit + 1);
  const resetTime = decision.resetTime ?? (resetMs === undefined ? undefined : fromNow(resetMs));
  const info: RateLimitInfo = new Information(limit, used, remaining, resetTime, key);
  if (policy !== undefined) info.policy = policy;
  return info;
}

/** Rounded up: nobody is told to come too early. */
export function fromNow(ms: number): Date {
  return new Date(Date.now() + Math.ceil(ms));
}

class Information implements RateLimitInfo {
  constructor(
    public limit: number,
    public used: number,
    public remaining: number,
    public resetTime: Date | undefined,
    public key: string,
  ) {}

  /** express-rate-limit's older name for `used`, hidden from spreads and JSON as it is there. */
  get current(): number {
    return this.used;
  }
}
