/** The cache beside the tables: rows by `user:<id>` and `product:<id>`, five minutes at most. */
import { type Cache, createCache } from 'express-redis-suite/cache-aside';
import type { RedisClient } from '../database/redis.js';

const TTL_MS = 5 * 60_000;

export function openShopCache(redis: RedisClient | undefined): Cache {
  const onRedis = redis === undefined ? {} : { client: redis };
  return createCache({ ...onRedis, namespace: 'shop', ttlMs: TTL_MS });
}
