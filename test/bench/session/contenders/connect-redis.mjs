// express-session with connect-redis.

import { RedisStore } from 'connect-redis';
import session from 'express-session';
import { createClient } from 'redis';
import { common, serveSessions } from './app.mjs';

const client = await createClient({ url: process.env.BENCH_REDIS_URL }).connect();
serveSessions(session({ ...common, store: new RedisStore({ client }) }));
