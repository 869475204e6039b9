// express-redis-suite's createCache, on Redis alone, or with copies in memory in front (MEMORY=1).

import { createCache } from 'express-redis-suite/cache-aside';
import { connectRedis } from 'express-redis-suite/redis';
import { serveCache } from './app.mjs';

const client = await connectRedis({ url: process.env.BENCH_REDIS_URL });
const inFront = process.env.MEMORY ? { memory: { maxBytes: 64 * 1024 * 1024 } } : {};
// A busy machine is no outage of Redis, which is not what is measured.
const cache = createCache({ client, namespace: 'suite', deadlineMs: 2_000, ...inFront });
serveCache((key, load, lifetimeS) => cache.getOrLoad(key, load, { ttlMs: lifetimeS * 1_000 }));
