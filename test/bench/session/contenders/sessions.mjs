// express-redis-suite's sessions(), as its documentation composes it.

import { connectRedis } from 'express-redis-suite/redis';
import { sessions } from 'express-redis-suite/session';
import { common, serveSessions } from './app.mjs';

serveSessions(sessions({ ...common, client: await connectRedis({ url: process.env.BENCH_REDIS_URL }) }));
