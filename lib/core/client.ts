/** The user's Redis client, of whatever kind, as our one interface. It stays the user's: never closed, never reconnected. */
import { redisErrorChannel } from './channels.js';
import { SuiteError } from './errors.js';
import { fromIoredis, type IoredisClient, isIoredis } from './ioredis.js';
import { fromNodeRedis, isNodeRedis, type NodeRedisClient } from './node-redis.js';
import type { Redis } from './redis.js';

/** Any client of `redis` (5.12 or later: client, pool, sentinel, cluster) or of `ioredis` (5.3 or later: client, cluster). */
export type RedisClient = NodeRedisClient | IoredisClient;

const adapters = new WeakMap<object, Redis>();

/**
 * The adapter of a user's client, one per client.
 *
 * An `error` listener is attached: without one, node-redis ends the process when Redis goes away.
 *
 * @throws SuiteError ERS_INVALID_CLIENT when `client` is no client that we know.
 */
export function redisOf(client: RedisClient): Redis {
  const known = adapters.get(client as object);
  if (known !== undefined) return known;
  const redis = adapt(client);
  adapters.set(client, redis);
  (client as NodeRedisClient).on('error', function publishError(error: unknown) {
    if (redisErrorChannel.hasSubscribers) redisErrorChannel.publish({ error });
  });
  return redis;
}

function adapt(client: unknown): Redis {
  if (isNodeRedis(client)) return fromNodeRedis(client);
  if (isIoredis(client)) return fromIoredis(client);
  throw new SuiteError(
    'ERS_INVALID_CLIENT',
    "client: not a Redis client that is known here. Pass what createClient(), createClientPool(), createSentinel() or createCluster() of 'redis' (5.12 or later) returned, a Redis or Cluster of 'ioredis' (5.3 or later), or what connectRedis() resolves to: await it.",
  );
}
