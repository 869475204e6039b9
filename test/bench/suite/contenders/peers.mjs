// express-rate-limit with rate-limit-redis, express-session with connect-redis, and apicache, on one Redis.

import apicache from 'apicache';
import { RedisStore } from 'connect-redis';
import { rateLimit } from 'express-rate-limit';
import expressSession from 'express-session';
import { RedisStore as LimitStore } from 'rate-limit-redis';
import { createClient } from 'redis';
import { LIMIT, PAGE_LIVES_FOR_MS, serveShop, session, WINDOW_MS } from './app.mjs';

const client = await createClient({ url: process.env.BENCH_REDIS_URL }).connect();
// apicache asks for a client as node-redis 3 was: callbacks, and names in lower case.
const legacy = client.legacy();
const redisClient = {
  connected: true,
  hgetall: legacy.hGetAll.bind(legacy),
  hset: legacy.hSet.bind(legacy),
  expire: legacy.expire.bind(legacy),
  del: legacy.del.bind(legacy),
};
serveShop({
  limiter: rateLimit({
    windowMs: WINDOW_MS,
    limit: LIMIT,
    store: new LimitStore({ sendCommand: (...command) => client.sendCommand(command) }),
  }),
  sessions: expressSession({ ...session, store: new RedisStore({ client }) }),
  pageCache: apicache.options({ redisClient }).middleware(PAGE_LIVES_FOR_MS),
});
