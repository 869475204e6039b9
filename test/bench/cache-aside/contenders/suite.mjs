// express-redis-suite's createCache, on Redis alone.

import { createCache } from 'express-redis-suite/cache-aside';
import { connectRedis } from 'express-redis-suite/redis';
import { serveCache } from './app.mjs';

const client = await connectRedis({ url: process.env.BENCH_REDIS_URL });
const cache = createCache({ client, namespace: 'suite' });
serveCache((key, load, lifetimeS) => cache.getOrLoad(key, load, { ttlMs: lifetimeS * 1_000 }));
