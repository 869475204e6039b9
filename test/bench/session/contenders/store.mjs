// express-session with express-redis-suite's store.

import { connectRedis } from 'express-redis-suite/redis';
import { RedisSessionStore } from 'express-redis-suite/session';
import session from 'express-session';
import { common, serveSessions } from './app.mjs';

const client = await connectRedis({ url: process.env.BENCH_REDIS_URL });
serveSessions(session({ ...common, store: new RedisSessionStore({ client }) }));
