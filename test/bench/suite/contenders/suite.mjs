// express-redis-suite's three middlewares, as its documentation composes them.

import { rateLimit } from 'express-redis-suite/rate-limit';
import { connectRedis } from 'express-redis-suite/redis';
import { responseCache } from 'express-redis-suite/response-cache';
import { sessions } from 'express-redis-suite/session';
import { LIMIT, serveShop, session, WINDOW_MS } from './app.mjs';

const client = await connectRedis({ url: process.env.BENCH_REDIS_URL });
serveShop({
  limiter: rateLimit({ client, windowMs: WINDOW_MS, limit: LIMIT, resolution: 100 }),
  sessions: sessions({ ...session, client }),
  pageCache: responseCache({ client }),
});
