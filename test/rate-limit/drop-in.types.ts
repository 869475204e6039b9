// Compiled, never run: what is typed for express-rate-limit fits here, and the other way round.
import type * as Theirs from 'express-rate-limit';
import type * as Ours from 'express-redis-suite/rate-limit';

type Both<One, Other> = [One] extends [Other] ? ([Other] extends [One] ? true : false) : false;
type Fits<One, Other> = [One] extends [Other] ? true : false;
type All<Checks extends true[]> = Checks;

/** Compiles only when every line is true. */
export type DropIn = All<
  [
    Both<Theirs.Options, Ours.Options>,
    Both<Partial<Theirs.Options>, Partial<Ours.Options>>,
    Both<Theirs.Store, Ours.Store>,
    Both<Theirs.LegacyStore, Ours.LegacyStore>,
    Both<Theirs.RateLimitExceededEventHandler, Ours.RateLimitExceededEventHandler>,
    Both<Theirs.RateLimitReachedEventHandler, Ours.RateLimitReachedEventHandler>,
    Both<Theirs.ValueDeterminingMiddleware<number>, Ours.ValueDeterminingMiddleware<number>>,
    Both<Theirs.RateLimitInfo, Ours.RateLimitInfo>,
    Both<Theirs.AugmentedRequest, Ours.AugmentedRequest>,
    Both<Theirs.Logger, Ours.Logger>,
    Both<Theirs.DraftHeadersVersion, Ours.DraftHeadersVersion>,
    Both<Theirs.EnabledValidations, Ours.EnabledValidations>,
    Both<Theirs.ClientRateLimitInfo, Ours.ClientRateLimitInfo>,
    Both<Theirs.IncrementCallback, Ours.IncrementCallback>,
    Both<Theirs.RateLimitRequestHandler, Ours.RateLimitRequestHandler>,
    Both<typeof Theirs.ipKeyGenerator, typeof Ours.ipKeyGenerator>,
    // Ours can do more, so that only one direction can hold.
    Fits<Ours.RateLimiter, Theirs.RateLimitRequestHandler>,
    Fits<typeof Ours.rateLimit, typeof Theirs.rateLimit>,
    Fits<typeof Ours.default, typeof Theirs.default>,
    // Each other's stores.
    Fits<Theirs.MemoryStore, Ours.Store>,
    Fits<Ours.MemoryStore, Theirs.Store>,
    Fits<Ours.RedisStore, Theirs.Store>,
  ]
>;
