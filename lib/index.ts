/** The public surface on one screen: the three middlewares first, then the companions. Details: each subpath's own. */

export { type Cache, type CacheOptions, createCache } from './cache-aside/index.js';
export {
  ipKeyGenerator,
  MemoryStore,
  type RateLimitInfo,
  type RateLimitOptions,
  type RateLimitRequestHandler,
  RedisStore,
  rateLimit,
} from './rate-limit/index.js';
export {
  type ConnectRedisOptions,
  connectRedis,
  type RedisClient,
  SuiteError,
  type SuiteErrorCode,
} from './redis/index.js';
export { type ResponseCache, type ResponseCacheOptions, responseCache } from './response-cache/index.js';
export {
  login,
  logout,
  RedisSessionStore,
  type RedisSessionStoreOptions,
  type SessionsOptions,
  sessions,
} from './session/index.js';
