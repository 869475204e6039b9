/** The report's page in the response cache: filled by the server, purged by the worker. For this one page only. */
import { type ResponseCache, responseCache } from 'express-redis-suite/response-cache';
import type { RedisClient } from '../database/redis.js';

/** Also what the page is called in the cache, whatever host and query it is asked for with. */
export const REPORT_PATH = '/api/reports/monthly-revenue';

export function openReportCache(redis: RedisClient | undefined): ResponseCache {
  const onRedis = redis === undefined ? {} : { client: redis };
  // The worker knows neither the host names nor the port that browsers use, so they are no part of the key.
  return responseCache({ ...onRedis, key: () => REPORT_PATH });
}
