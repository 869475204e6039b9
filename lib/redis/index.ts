/** What concerns Redis itself: a client that survives outages, and the errors that tell trouble apart. */
export type { RedisClient } from '../core/client.js';
export { type ConnectRedisOptions, connectRedis } from '../core/connect.js';
export { SuiteError, type SuiteErrorCode } from '../core/errors.js';
