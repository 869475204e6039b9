/** Rate limiting: an exact sliding window, in Redis or in this process, in place of express-rate-limit. */
export { ipKeyGenerator } from './client-key.js';
export type { EnabledValidations } from './findings.js';
export type { RateLimitDecision, RefundToken } from './limiter.js';
export { MemoryStore } from './memory-store.js';
export { type RateLimiter, rateLimit, rateLimit as default } from './middleware.js';
export type {
  AugmentedRequest,
  ClientRateLimitInfo,
  Cost,
  DraftHeadersVersion,
  DraftVersion,
  IncrementCallback,
  IncrementResponse,
  LegacyStore,
  Logger,
  LoggerFn,
  OnRedisDown,
  Options,
  RateLimitExceededEventHandler,
  RateLimitInfo,
  RateLimitOptions,
  RateLimitPolicy,
  RateLimitReachedEventHandler,
  Store,
  ValueDeterminingMiddleware,
} from './options.js';
export { DAY, HOUR, MINUTE, SECOND } from './policies.js';
export type { Quota, RateLimitRequestHandler } from './quota.js';
export { RedisStore, type RedisStoreOptions } from './redis-store.js';
